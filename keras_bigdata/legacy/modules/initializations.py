"""`keras.initializations` of Keras 1: functions that create a variable."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras

from keras_bigdata.legacy.backend.variables import variable

_NAMES = {
    "uniform": lambda scale=0.05: keras.initializers.RandomUniform(-scale, scale),
    "normal": lambda scale=0.05: keras.initializers.RandomNormal(0.0, scale),
    "lecun_uniform": keras.initializers.LecunUniform,
    "glorot_normal": lambda: keras.initializers.VarianceScaling(
        1.0, "fan_avg", "untruncated_normal"
    ),
    "glorot_uniform": keras.initializers.GlorotUniform,
    "he_normal": lambda: keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal"),
    "he_uniform": keras.initializers.HeUniform,
    "orthogonal": lambda scale=1.1: keras.initializers.Orthogonal(gain=scale),
    "identity": lambda scale=1: keras.initializers.Identity(gain=scale),
    "zero": keras.initializers.Zeros,
    "one": keras.initializers.Ones,
}


def initialize(
    initializer: str, shape: Any, *args: Any, name: str | None = None, **kwargs: Any
) -> Any:
    """Returns a variable with initial values.

    Args:
        initializer: a name of Keras 1, such as `"glorot_uniform"`.
        shape: the shape of the variable.
        *args: `scale` of some initializers.
        name: the name of the variable.
        **kwargs: `scale` of some initializers; `dim_ordering` is ignored.
    """
    kwargs.pop("dim_ordering", None)
    values = _NAMES[initializer](*args, **kwargs)(tuple(shape))
    return variable(values, name=name)


def get(identifier: Any, **kwargs: Any) -> Callable[..., Any]:
    """Returns the function with a name; a function is returned itself.

    Raises:
        ValueError: if there is no initialization of that name.
    """
    if callable(identifier):
        return identifier  # type: ignore[no-any-return]
    if identifier not in _NAMES:
        raise ValueError(f"Invalid initialization: {identifier}")
    return functools.partial(initialize, identifier, **kwargs)


FUNCTIONS = {name: functools.partial(initialize, name) for name in _NAMES} | {"get": get}
