"""One optimizer that is passed to `compile` of several models, as in most scripts of GANs.

An optimizer of Keras 1 and 2 had other slot variables for each model. One of Keras 3 is built for
the variables of one model, and raises "Unknown variable" for those of another.
"""

from __future__ import annotations

import functools
import warnings
import weakref
from typing import Any

import keras

from keras_bigdata.legacy.patching import defining_class, wrap

# Optimizer -> the model that was compiled with it first.
_users: weakref.WeakKeyDictionary[Any, weakref.ref[Any]] = weakref.WeakKeyDictionary()


def install() -> None:
    """Makes `compile` copy an optimizer that another model was compiled with."""
    wrap(defining_class(keras.Model, "compile"), "compile", _with_own_optimizer)


def _with_own_optimizer(compile_model: Any) -> Any:
    @functools.wraps(compile_model)
    def compile(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args:
            return compile_model(self, _own(self, args[0]), *args[1:], **kwargs)
        if "optimizer" in kwargs:
            kwargs["optimizer"] = _own(self, kwargs["optimizer"])
        return compile_model(self, **kwargs)

    return compile


def _own(model: Any, optimizer: Any) -> Any:
    """Returns the optimizer, or a copy if it belongs to another model."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return optimizer
    if _users.setdefault(optimizer, weakref.ref(model))() is model:
        return optimizer
    warnings.warn(
        f"compile: this {type(optimizer).__name__} is the optimizer of another model. This model "
        "gets one with the same settings and a state of its own, as in Keras 1 and 2. A learning "
        "rate that is set later is that of the first model only: set it in `model.optimizer` of "
        "each.",
        stacklevel=4,
    )
    return type(optimizer).from_config(optimizer.get_config())
