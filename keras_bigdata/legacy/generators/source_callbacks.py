"""Callbacks whose methods are the generators of a training."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any


def begin_training(
    model: Any, callbacks: Iterable[Any], sources: Iterable[Any], params: dict[str, Any]
) -> None:
    """Calls `on_train_begin` of the callbacks that the batches come from.

    Keras 1 and 2 called it before they read the first batch, and some scripts prepare their data
    there. Keras 3 reads batches first. Its own call does nothing for these callbacks; all other
    callbacks are called by Keras.

    Args:
        model: the model.
        callbacks: the callbacks of the training.
        sources: the sources of the training and of the validation.
        params: the `params` of the callbacks.
    """
    owners = [owner for owner in map(_owner, sources) if owner is not None]
    for callback in callbacks:
        if any(callback is owner for owner in owners):
            if isinstance(vars(callback).get("on_train_begin"), _Begun):
                del callback.on_train_begin  # left by a training that failed before Keras called it
            callback.set_params(params)
            callback.set_model(model)
            callback.on_train_begin({})
            callback.on_train_begin = _Begun(callback)


class _Begun:
    """Stands in for `on_train_begin` of a callback during one call."""

    def __init__(self, callback: Any) -> None:
        self._callback = callback

    def __call__(self, logs: Any = None) -> None:
        del self._callback.on_train_begin


def _owner(source: Any) -> Any:
    """Returns the object that a source is, or whose method the generator is."""
    if not inspect.isgenerator(source):
        return source
    arguments = source.gi_code.co_varnames[: source.gi_code.co_argcount]
    if source.gi_frame is None or not arguments:
        return None
    return source.gi_frame.f_locals.get(arguments[0])
