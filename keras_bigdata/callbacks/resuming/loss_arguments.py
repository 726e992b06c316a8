"""The arguments of a loss that change its values, as plain values that a checkpoint can hold."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Mapping
from types import FunctionType, MethodType
from typing import Any

import keras
import numpy as np

# Maximum depth of losses inside losses, which also bounds a loss that contains itself.
_MAX_DEPTH = 6

# Maximum number of values of an array in a checkpoint; a larger array is stored as a digest.
_MAX_VALUES = 1000


def arguments_of(loss: Any, depth: int = 0) -> Any:
    """Returns the plain values in a loss, and those of the losses inside it.

    The values of an object are its attributes, not only those that `get_config` returns: the config
    of `keras.losses.Huber` has no `delta` (Keras 3.8 to 3.15.1), and a custom loss often has no
    `get_config`. The values of a function are its defaults and its closure variables. Other values,
    such as layers, become `None`.

    Args:
        loss: a loss, a function, or a dict, list or tuple of these.
        depth: number of objects that contain this one.
    """
    if isinstance(loss, float) and not math.isfinite(loss):
        return repr(loss)  # NaN does not equal itself
    if loss is None or isinstance(loss, (bool, int, float, str)):
        return loss
    if depth > _MAX_DEPTH:
        return None
    inside = functools.partial(arguments_of, depth=depth + 1)
    if isinstance(loss, Mapping):
        # The name of a loss may have a counter of the process.
        return {str(k): inside(v) for k, v in loss.items() if k not in ("name", "_name")}
    if isinstance(loss, (list, tuple)):
        return [inside(value) for value in loss]
    if isinstance(loss, functools.partial):
        return inside([loss.func, loss.args, loss.keywords])
    if isinstance(loss, MethodType):
        return inside([loss.__self__, loss.__func__])
    if isinstance(loss, FunctionType):
        return inside([loss.__defaults__, loss.__kwdefaults__, _closure_variables(loss)])
    if isinstance(loss, (np.ndarray, np.generic)) or keras.ops.is_tensor(loss):
        return _values_of(keras.ops.convert_to_numpy(loss))
    if isinstance(loss, keras.Loss):
        return inside(vars(loss))
    return None


def _closure_variables(function: FunctionType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # assigned later
            continue
    return found


def _values_of(array: Any) -> Any:
    if array.dtype.kind not in "biuf":
        return None
    if array.size <= _MAX_VALUES:
        return arguments_of(array.tolist())
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]
