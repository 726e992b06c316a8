"""Which layer is being called, and what is to be done when its call ends."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import current_training_argument
from keras_bigdata.legacy.patching import wrap


class _Calls(threading.local):
    """The running calls of a thread: each layer, and the functions for the end of its call."""

    def __init__(self) -> None:
        self.running: list[tuple[Any, list[Callable[[], Any]]]] = []


_calls = _Calls()


def install() -> None:
    """Follows the calls of all layers."""
    wrap(keras.Layer, "__call__", _followed)


def runs_updates() -> bool:
    """Returns whether an update of a variable is run now.

    In Keras 1 and 2, updates of layers were run in training, of layers that are trainable. Outside
    a layer they are always run.
    """
    if current_training_argument() is False:
        return False
    return not _calls.running or bool(_calls.running[-1][0].trainable)


def after_call(action: Callable[[], Any]) -> None:
    """Calls a function when the call of the current layer ends; at once outside a layer."""
    if _calls.running:
        _calls.running[-1][1].append(action)
    else:
        action()


def _followed(call: Any) -> Any:
    @functools.wraps(call)
    def followed_call(self: Any, *args: Any, **kwargs: Any) -> Any:
        actions: list[Callable[[], Any]] = []
        _calls.running.append((self, actions))
        try:
            outputs = call(self, *args, **kwargs)
        finally:
            _calls.running.pop()
        for action in actions:
            action()
        return outputs

    return followed_call
