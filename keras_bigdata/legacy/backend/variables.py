"""Variables, their values and updates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bigdata.legacy.backend.running_layers import runs_updates


def variable(
    value: Any, dtype: str | None = None, name: str | None = None, constraint: Any = None
) -> Any:
    """Returns a variable, in `floatx` by default.

    It is a `keras.Variable`, which a layer that has it as an attribute saves. `fit` does not train
    it, as in Keras 1 and 2, unless the layer puts it into its `trainable_weights`.
    """
    if hasattr(value, "tocoo"):
        raise NotImplementedError(
            "keras.backend.variable: Keras 3 has no sparse variables. Pass value.toarray()."
        )
    # Trainable at first: a tape of TensorFlow never watches a variable that was created otherwise.
    created = keras.Variable(
        ops.cast(value, dtype or keras.backend.floatx()),
        dtype=dtype or keras.backend.floatx(),
        name=name and name.replace("/", "_"),
    )
    created.trainable = False
    if constraint is not None:
        created.constraint = constraint
    return created


def zeros(shape: Any, dtype: str | None = None, name: str | None = None) -> Any:
    """Returns a variable with zeros; a tensor within a traced function."""
    return _filled(ops.zeros, shape, dtype, name)


def ones(shape: Any, dtype: str | None = None, name: str | None = None) -> Any:
    """Returns a variable with ones; a tensor within a traced function."""
    return _filled(ops.ones, shape, dtype, name)


def eye(size: int, dtype: str | None = None, name: str | None = None) -> Any:
    """Returns a variable with the identity matrix; a tensor within a traced function."""
    return _filled(lambda shape, dtype: ops.eye(shape[0], dtype=dtype), (size,), dtype, name)


def get_value(x: Any) -> Any:
    """Returns the value as an array, or as a NumPy number if it has no dimensions."""
    value = _without_symbolic(x, "get_value")
    return np.asarray(value)[()] if isinstance(value, int | float) else value


def eval(x: Any) -> Any:
    """Returns the value of a tensor."""
    return _without_symbolic(x, "eval")


def set_value(x: Any, value: Any) -> None:
    """Assigns a value to a variable."""
    x.assign(np.asarray(value, dtype=keras.backend.standardize_dtype(x.dtype)))


def batch_get_value(ops: Iterable[Any]) -> list[Any]:
    """Returns the values of several variables."""
    return [get_value(x) for x in ops]


def batch_set_value(tuples: Iterable[tuple[Any, Any]]) -> None:
    """Assigns values to several variables."""
    for x, value in tuples:
        set_value(x, value)


def update(x: Any, new_x: Any) -> Any:
    """Assigns a new value; returns the variable."""
    if runs_updates():
        x.assign(new_x)
    return x


def update_add(x: Any, increment: Any) -> Any:
    """Adds to a variable; returns it."""
    if runs_updates():
        x.assign_add(increment)
    return x


def update_sub(x: Any, decrement: Any) -> Any:
    """Subtracts from a variable; returns it."""
    if runs_updates():
        x.assign_sub(decrement)
    return x


def moving_average_update(x: Any, value: Any, momentum: float) -> Any:
    """Moves a variable towards a value; returns it."""
    if runs_updates():
        x.assign(x * momentum + value * (1.0 - momentum))
    return x


def get_variable_shape(x: Any) -> tuple[int, ...]:
    """Returns the shape of a variable."""
    return tuple(x.shape)


def is_tensor(x: Any) -> bool:
    """Whether it is a tensor of the backend or a symbolic tensor."""
    return isinstance(x, keras.KerasTensor) or ops.is_tensor(x)


def is_sparse(tensor: Any) -> bool:
    """Whether it is a sparse tensor."""
    return bool(getattr(tensor, "sparse", False)) or type(tensor).__name__ == "SparseTensor"


def to_dense(tensor: Any) -> Any:
    """Returns a dense tensor with the same values."""
    return ops.convert_to_tensor(tensor, sparse=False)


def print_tensor(x: Any, message: str = "") -> Any:
    """Returns the tensor, and prints it each time the value is computed (once in a trace)."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.print(message, x)
    else:
        print(message, x)
    return x


def _filled(fill: Any, shape: Any, dtype: str | None, name: str | None) -> Any:
    dtype = dtype or keras.backend.floatx()
    value = fill(tuple(shape), dtype=dtype)
    if not _is_concrete(value):
        return value
    return variable(value, dtype, name)


def _is_concrete(value: Any) -> bool:
    """Whether a value is known: not in a traced function, where no variable can be created."""
    if isinstance(value, keras.KerasTensor):
        return False
    try:
        ops.convert_to_numpy(value)
    except Exception:  # each backend has its own error for traced tensors
        return False
    return True


def _without_symbolic(x: Any, name: str) -> Any:
    if isinstance(x, keras.KerasTensor):
        raise NotImplementedError(
            f"keras.backend.{name}: a symbolic tensor such as layer.output has no value. Compute "
            "it with keras.backend.function([model.input], [x])([data])."
        )
    if isinstance(x, int | float | np.ndarray | np.generic):
        return x
    return ops.convert_to_numpy(x)[()]
