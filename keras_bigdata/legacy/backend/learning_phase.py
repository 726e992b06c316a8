"""`learning_phase` and `set_learning_phase`.

In Keras 1 and 2 the phase was a tensor, or the number that was set before a layer was called: a
layer that was called with the phase 0 stayed in inference mode in `fit` too. In Keras
3.15 even `layer(x, training=False)` does not last: a functional model passes its own mode to all
layers.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import copies_of, current_training_argument
from keras_bigdata.legacy.backend.dispatch import is_symbolic
from keras_bigdata.legacy.patching import wrap

_phase: list[int | None] = [None]  # the number that was set, if any
_FIXED = "_keras_bigdata_phase"  # attribute of a layer that was called while a phase was set


class LearningPhase(int):
    """The phase as a number: 1 in training and 0 in inference.

    Functions from `keras.backend.function` take it as an input.
    """

    def __new__(cls) -> LearningPhase:
        """Returns the phase of the call of a layer that is running, or the one that was set."""
        return super().__new__(cls, current_phase())


def current_phase() -> int:
    """Returns 1 while a layer runs in training mode, or the number that was set, else 0."""
    if _phase[0] is not None:
        return _phase[0]
    return int(bool(current_training_argument()))


def learning_phase() -> LearningPhase:
    """Returns the phase, which is also an input for `keras.backend.function`."""
    return LearningPhase()


def set_learning_phase(value: int) -> None:
    """Sets the mode of all layers that are called from now on.

    Args:
        value: 0 or 1.

    Raises:
        ValueError: if it is another value.
    """
    if value not in (0, 1):
        raise ValueError(f"set_learning_phase: expected 0 or 1, got {value!r}.")
    if _phase[0] != int(value):
        warnings.warn(
            f"set_learning_phase({int(value)}): layers that are called from now on are fixed in "
            f"{'training' if value else 'inference'} mode, in fit and in predict, as Keras 1 and 2 "
            "did. tf.keras 2 ignored it in fit. If that is not wanted, remove the call.",
            stacklevel=2,
        )
    _phase[0] = int(value)


def reset_learning_phase() -> None:
    """Removes the number that was set."""
    _phase[0] = None


def install() -> None:
    """Makes layers follow a phase that was set, and `clear_session` remove it."""
    reset_learning_phase()
    wrap(keras.Layer, "__call__", _with_fixed_phase)
    for owner in (*copies_of("backend"), *copies_of("utils")):
        wrap(owner, "clear_session", _forgetting)


def _with_fixed_phase(call: Any) -> Any:
    @functools.wraps(call)
    def call_in_phase(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _phase[0] is not None and is_symbolic(args) and _has_modes(self):
            setattr(self, _FIXED, _phase[0])
        fixed = vars(self).get(_FIXED)
        if fixed is not None:
            kwargs["training"] = bool(fixed)
        return call(self, *args, **kwargs)

    return call_in_phase


def _has_modes(layer: Any) -> bool:
    is_model = isinstance(layer, keras.Model)
    return not is_model and "training" in inspect.signature(layer.call).parameters


def _forgetting(clear_session: Any) -> Any:
    @functools.wraps(clear_session)
    def clear(*args: Any, **kwargs: Any) -> Any:
        reset_learning_phase()
        return clear_session(*args, **kwargs)

    return clear
