"""`lr` as an argument and as an attribute of optimizers."""

from __future__ import annotations

import functools
from typing import Any

import keras

from keras_bigdata.legacy.patching import add_name, wrap

_OPTIMIZERS = ("SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam")


def install() -> None:
    """Makes `lr` the learning rate again."""
    for name in _OPTIMIZERS:
        wrap(getattr(keras.optimizers, name), "__init__", _with_lr)
    add_name(
        keras.optimizers.Optimizer,
        "lr",
        property(
            lambda self: self.learning_rate,
            lambda self, value: setattr(self, "learning_rate", value),
        ),
    )


def _with_lr(initialize: Any) -> Any:
    @functools.wraps(initialize)
    def initialize_with_lr(self: Any, *args: Any, **kwargs: Any) -> None:
        if "lr" in kwargs:
            if args or "learning_rate" in kwargs:
                raise TypeError(
                    f"{type(self).__name__} got the learning rate twice: as `lr` and as "
                    "`learning_rate` or by position."
                )
            kwargs["learning_rate"] = kwargs.pop("lr")
        initialize(self, *args, **kwargs)

    return initialize_with_lr
