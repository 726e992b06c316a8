"""Small functions of `keras.utils` that custom layers and scripts of Keras 1 and 2 used."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import keras
import numpy as np


def normalize_tuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """Returns a tuple of `n` integers; one integer stands for all.

    Raises:
        ValueError: if it is something else.
    """
    values = (value,) * n if isinstance(value, int) else tuple(value)
    if len(values) != n or not all(isinstance(one, int | np.integer) for one in values):
        raise ValueError(f"The {name} argument must be a tuple of {n} integers, got {value!r}.")
    return values


def normalize_padding(value: str) -> str:
    """Returns a name of padding in lower case.

    Raises:
        ValueError: if it is unknown.
    """
    if value.lower() not in ("valid", "same", "causal"):
        raise ValueError(f'padding must be "valid", "same" or "causal", got {value!r}.')
    return value.lower()


def conv_output_length(
    input_length: int | None, filter_size: int, padding: str, stride: int, dilation: int = 1
) -> int | None:
    """Returns the size after a convolution or pooling."""
    if input_length is None:
        return None
    size = filter_size + (filter_size - 1) * (dilation - 1)
    if padding in ("same", "causal"):
        length = input_length
    else:
        length = input_length - size + 1 if padding == "valid" else input_length + size - 1
    return (length + stride - 1) // stride


def conv_input_length(
    output_length: int | None, filter_size: int, padding: str, stride: int
) -> int | None:
    """Returns the size before a convolution."""
    if output_length is None:
        return None
    pad = {"same": filter_size // 2, "valid": 0, "full": filter_size - 1}[padding]
    return (output_length - 1) * stride - 2 * pad + filter_size


def to_list(x: Any, allow_tuple: bool = False) -> list[Any]:
    """Returns a list; one object becomes a list of one."""
    if isinstance(x, list):
        return x
    return list(x) if allow_tuple and isinstance(x, tuple) else [x]


def unpack_singleton(x: Any) -> Any:
    """Returns the item of a list of one; any other list is returned unchanged."""
    return x[0] if len(x) == 1 else x


def is_all_none(iterable_or_element: Any) -> bool:
    """Whether all items are `None`."""
    return all(one is None for one in to_list(iterable_or_element, allow_tuple=True))


def slice_arrays(arrays: Any, start: Any = None, stop: Any = None) -> Any:
    """Returns `array[start:stop]`, or rows by a list of indices, of an array or of each in a list.

    Arrays that are `None` remain `None`.
    """
    if isinstance(arrays, list):
        return [None if array is None else slice_arrays(array, start, stop) for array in arrays]
    if hasattr(start, "__len__"):
        # Datasets of h5py take lists only.
        return arrays[start.tolist() if hasattr(start, "shape") else start]
    return arrays[start:stop]


slice_X = slice_arrays


def has_arg(fn: Any, name: str, accept_all: bool = False) -> bool:
    """Whether a function takes an argument by name; with `accept_all`, also by `**kwargs`."""
    parameters = inspect.signature(fn).parameters
    if name in parameters:
        return parameters[name].kind is not inspect.Parameter.POSITIONAL_ONLY
    return accept_all and any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def print_summary(model: Any, line_length: Any = None, positions: Any = None, print_fn: Any = None):  # type: ignore[no-untyped-def]
    """Prints the layers of a model."""
    model.summary(line_length=line_length, positions=positions, print_fn=print_fn)


def probas_to_classes(y_pred: Any) -> Any:
    """Returns the class with the largest probability, or whether one probability is over 0.5."""
    y_pred = np.asarray(y_pred)
    if y_pred.ndim > 1 and y_pred.shape[1] > 1:
        return categorical_probas_to_classes(y_pred)
    return np.array([1 if p > 0.5 else 0 for p in y_pred])


def categorical_probas_to_classes(p: Any) -> Any:
    """Returns the class with the largest probability."""
    return np.argmax(p, axis=1)


def multi_gpu_model(
    model: Any, gpus: Any = None, cpu_merge: bool = True, cpu_relocation: bool = False
) -> Any:
    """Returns the model itself, with a warning: it is trained on one device."""
    warnings.warn(
        f"multi_gpu_model(gpus={gpus!r}): the model is trained on one device, with the same "
        "batches and results. To use several GPUs, build and compile it under "
        "tf.distribute.MirroredStrategy().scope(), or set keras.distribution.DataParallel().",
        stacklevel=2,
    )
    return model


def available_gpus() -> list[str]:
    """Returns the names of the GPUs: `_get_available_gpus` of Keras 2."""
    return [str(one) for one in keras.distribution.list_devices("gpu")]
