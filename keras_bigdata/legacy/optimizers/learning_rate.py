"""`lr` and `decay` of optimizers."""

from __future__ import annotations

import functools
from typing import Any

import keras

from keras_bigdata.legacy.patching import add_name, wrap


def install() -> None:
    """Makes `lr` an attribute again, and `decay` reduce the learning rate."""
    add_name(
        keras.optimizers.Optimizer,
        "lr",
        property(
            lambda self: self.learning_rate,
            lambda self, value: setattr(self, "learning_rate", value),
        ),
    )
    wrap(keras.optimizers.Optimizer, "apply", _with_decay)
    wrap(keras.optimizers.Optimizer, "get_config", _with_decay_in_config)


def set_decay(optimizer: Any, decay: float) -> None:
    """Makes an optimizer train with `lr / (1 + decay * iterations)`.

    `lr` stays the initial rate, which callbacks and the script may change, as in Keras 2.

    Args:
        optimizer: the optimizer. Its learning rate must be a number.
        decay: the decay per batch.

    Raises:
        TypeError: if the learning rate is a schedule.
    """
    rate = optimizer.learning_rate
    if decay and not isinstance(rate, keras.Variable):
        raise TypeError(
            f"{type(optimizer).__name__}: `decay` needs a number as the learning rate, because a "
            f"schedule determines the decay itself. Received: decay={decay!r}"
        )
    optimizer.decay = decay


def _with_decay(apply: Any) -> Any:
    @functools.wraps(apply)
    def apply_with_decay(self: Any, grads: Any, trainable_variables: Any = None) -> Any:
        decay = getattr(self, "decay", 0.0)
        if not decay or not isinstance(self.learning_rate, keras.Variable):
            return apply(self, grads, trainable_variables)
        rate = self.learning_rate
        initial = keras.ops.multiply(rate, 1.0)  # a value, not the variable
        steps = keras.ops.cast(self.iterations, rate.dtype)
        rate.assign(initial / (1.0 + decay * steps))
        try:
            return apply(self, grads, trainable_variables)
        finally:
            rate.assign(initial)

    return apply_with_decay


def _with_decay_in_config(get_config: Any) -> Any:
    @functools.wraps(get_config)
    def get_config_with_decay(self: Any) -> Any:
        config = get_config(self)
        decay = getattr(self, "decay", 0.0)
        return {**config, "decay": decay} if decay else config

    return get_config_with_decay
