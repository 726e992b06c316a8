"""Random tensors and dropout, with `keras.random`.

In Keras 1 and 2 a seed started a stream: the second call drew other numbers than the first. In
`keras.random` an integer as seed returns the same numbers at each call, so each seed has its own
`SeedGenerator` here.
"""

from __future__ import annotations

from typing import Any

import keras

from keras_bigdata.legacy.backend.variables import variable


def random_normal(
    shape: Any,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: int | None = None,
) -> Any:
    """Returns normally distributed numbers."""
    return keras.random.normal(shape, mean, stddev, dtype=dtype, seed=_seed(seed))


def random_uniform(
    shape: Any,
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: str | None = None,
    seed: int | None = None,
) -> Any:
    """Returns uniformly distributed numbers."""
    return keras.random.uniform(shape, minval, maxval, dtype=dtype, seed=_seed(seed))


def random_binomial(
    shape: Any, p: float = 0.0, dtype: str | None = None, seed: int | None = None
) -> Any:
    """Returns ones with the probability `p`, else zeros."""
    drawn = keras.random.uniform(shape, seed=_seed(seed))
    return keras.ops.cast(drawn <= p, dtype or keras.backend.floatx())


def random_bernoulli(
    shape: Any, p: float = 0.0, dtype: str | None = None, seed: int | None = None
) -> Any:
    """Returns ones with the probability `p`, else zeros."""
    return random_binomial(shape, p, dtype, seed)


def truncated_normal(
    shape: Any,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: int | None = None,
) -> Any:
    """Returns normally distributed numbers within two standard deviations."""
    return keras.random.truncated_normal(shape, mean, stddev, dtype=dtype, seed=_seed(seed))


def random_uniform_variable(
    shape: Any,
    low: float,
    high: float,
    dtype: str | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> Any:
    """Returns a variable with uniformly distributed numbers."""
    return variable(random_uniform(shape, low, high, dtype, seed), dtype, name)


def random_normal_variable(
    shape: Any,
    mean: float,
    scale: float,
    dtype: str | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> Any:
    """Returns a variable with normally distributed numbers."""
    return variable(random_normal(shape, mean, scale, dtype, seed), dtype, name)


def dropout(x: Any, level: float, noise_shape: Any = None, seed: int | None = None) -> Any:
    """Sets elements to 0 with the probability `level`, and scales the others."""
    return keras.random.dropout(x, level, noise_shape=noise_shape, seed=_seed(seed))


_generators: dict[int, Any] = {}


def _seed(seed: int | None) -> Any:
    if seed is None:
        return None
    if seed not in _generators:
        _generators[seed] = keras.random.SeedGenerator(seed)
    return _generators[seed]
