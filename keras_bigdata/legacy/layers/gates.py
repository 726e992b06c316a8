"""`hard_sigmoid`, and the default gates of LSTM and GRU, as in `keras` 1 and 2.

`hard_sigmoid(x)` was 0.2 x + 0.5, clipped to 0 and 1. In Keras 3 it is x / 6 + 0.5. It was the
default `recurrent_activation` in `keras` 1 and 2, where GRU also had `reset_after=False`.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import copies_of, module_with_get
from keras_bigdata.legacy.calling_script import keras_root
from keras_bigdata.legacy.layers.signatures import wraps_constructor
from keras_bigdata.legacy.layers.values import hard_sigmoid
from keras_bigdata.legacy.patching import replace, wrap
from keras_bigdata.old_keras.keras_2_layers import HARD_GATES

# Whether a model that Keras 3 saved is being loaded: `hard_sigmoid` then means that of Keras 3.
_of_keras_3: ContextVar[bool] = ContextVar("of_keras_3", default=False)


@contextlib.contextmanager
def names_of_keras_3_if(condition: bool) -> Iterator[None]:
    """Gives names of activations their meaning in Keras 3 in the block, if a condition is true."""
    token = _of_keras_3.set(condition)
    try:
        yield
    finally:
        _of_keras_3.reset(token)


def install() -> None:
    """Makes `hard_sigmoid` and the defaults of LSTM and GRU those of `keras` 1 and 2."""
    wrap(module_with_get("activations"), "get", _get)
    for module in copies_of("activations"):
        replace(module, "hard_sigmoid", hard_sigmoid)
    for name in HARD_GATES:
        wrap(getattr(keras.layers, name), "__init__", _with_hard_gates)


def _get(get: Any) -> Any:
    @functools.wraps(get)
    def get_old(identifier: Any) -> Any:
        if identifier == "hard_sigmoid" and not _of_keras_3.get() and keras_root():
            warnings.warn(
                "hard_sigmoid is 0.2 * x + 0.5, as in Keras 1 and 2. In Keras 3 it is x / 6 + 0.5.",
                stacklevel=2,
            )
            return hard_sigmoid
        return get(identifier)

    return get_old


def _with_hard_gates(initialize: Any) -> Any:
    @wraps_constructor(initialize)
    def initialize_with_hard_gates(self: Any, *args: Any, **kwargs: Any) -> None:
        name = next(cls.__name__ for cls in type(self).__mro__ if cls.__name__ in HARD_GATES)
        is_default = "recurrent_activation" not in kwargs and len(args) <= HARD_GATES[name]
        has_default_reset = name.startswith("GRU") and "reset_after" not in kwargs
        if (is_default or has_default_reset) and keras_root() == "keras":
            if is_default and "inner_activation" not in kwargs:
                kwargs["recurrent_activation"] = hard_sigmoid
            if has_default_reset:
                kwargs["reset_after"] = False
            _warn_of_defaults(name)
        initialize(self, *args, **kwargs)

    return initialize_with_hard_gates


def _warn_of_defaults(name: str) -> None:
    also = " and `reset_after` is False" if name.startswith("GRU") else ""
    warnings.warn(
        f"{name}: `recurrent_activation` is hard_sigmoid{also}, the default values of `keras` 1 "
        "and 2. Those of tensorflow.keras 2 and Keras 3 are sigmoid"
        f"{' and True' if also else ''}, which a GPU computes faster (cuDNN). Pass them to choose.",
        stacklevel=4,
    )
