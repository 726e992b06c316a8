"""A queue of batches as data that `fit`, `evaluate` and `predict` of Keras 3 take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_bigdata.legacy.generators.batch_arrays import Batch, iterate_leaves, map_arrays
from keras_bigdata.legacy.generators.batch_queue import BatchQueue
from keras_bigdata.legacy.models import model_tensors

# Keras also reads two batches to find out which dimensions vary.
_NUM_INSPECTED = 2


class KerasData:
    """Passes the batches of a queue to the model, each when a step needs it.

    Keras's own adapter for generators reads ahead on TensorFlow, in threads of TensorFlow. Errors
    of the source are lost in them, and so are batches between two evaluations. On TensorFlow the
    batches therefore go through a `tf.data.Dataset` that does not read ahead.

    Args:
        model: the model that the batches are for.
        queue: the batches. Two are read to find out which dimensions vary.

    Raises:
        ValueError: if the first two batches differ in structure or rank.
        Exception: the exception that the source raised.
    """

    def __init__(self, model: Any, queue: BatchQueue) -> None:
        self._spec: Any = None
        queue.prepare(_NUM_INSPECTED)
        first_batches = queue.ready
        is_tensorflow = keras.backend.backend() == "tensorflow"
        if is_tensorflow and first_batches and all(map(_has_only_arrays, first_batches)):
            self._spec = _batch_spec(model, first_batches)
            queue.check = _SpecCheck(self._spec)

    def data(self, take_batches: Callable[[], Iterator[Batch]]) -> Any:
        """Returns the data to pass to the model.

        Args:
            take_batches: `queue.take_all` or `queue.take_epoch`.
        """
        if self._spec is None:
            return take_batches()
        import tensorflow as tf

        dataset = tf.data.Dataset.from_generator(take_batches, output_signature=self._spec)
        options = tf.data.Options()
        options.autotune.enabled = False
        options.experimental_optimization.inject_prefetch = False
        return dataset.with_options(options)


def _has_only_arrays(batch: Batch) -> bool:
    return all(isinstance(leaf, np.ndarray) for leaf in iterate_leaves(batch))


def _batch_spec(model: Any, first_batches: list[Batch]) -> Any:
    """Returns the `tf.TensorSpec`s of all batches; dimensions that vary are `None`.

    A dimension varies if it differs between the first batches, or if it is `None` in the model.
    """
    import tensorflow as tf

    map_arrays(lambda *arrays: None, *first_batches)  # raises if they differ in structure
    input_shapes = _model_shapes(model, "inputs")
    output_shapes = _model_shapes(model, "outputs")

    def spec(model_shape: tuple[Any, ...] | None, arrays: tuple[np.ndarray, ...]) -> Any:
        first = arrays[0]
        if any(array.ndim != first.ndim for array in arrays):
            shapes = [array.shape for array in arrays]
            raise ValueError(
                f"The first batches must have arrays of the same rank. Received shapes: {shapes}"
            )
        shape = [
            dims[0] if len(set(dims)) == 1 else None
            for dims in zip(*(array.shape for array in arrays), strict=True)
        ]
        shape[0] = None
        for axis, size in enumerate(model_shape or ()):
            if size is None and axis < len(shape):
                shape[axis] = None
        return tf.TensorSpec(shape, tf.as_dtype(first.dtype))

    parts = []
    for position, part in enumerate(zip(*first_batches, strict=True)):
        # Sample weights of time steps have the length of the targets that they weight.
        model_shapes = iter(_leaf_shapes(part[0], input_shapes if position == 0 else output_shapes))
        parts.append(
            map_arrays(
                lambda *arrays, model_shapes=model_shapes: spec(next(model_shapes), arrays),
                part[0],
                *part[1:],
            )
        )
    return tuple(parts)


def _model_shapes(model: Any, kind: str) -> dict[str, tuple[Any, ...]]:
    """Returns the shapes of the model's `inputs` or `outputs` by name, if they are defined."""
    tensors = model_tensors.tensors(model, kind)
    names = getattr(model, "output_names", None) if kind == "outputs" else None
    if not names or len(names) != len(tensors):
        names = [tensor.name for tensor in tensors]
    return {name: tuple(tensor.shape) for name, tensor in zip(names, tensors, strict=True)}


def _leaf_shapes(
    part: Any, model_shapes: dict[str, tuple[Any, ...]]
) -> list[tuple[Any, ...] | None]:
    """Returns the model's shape for each leaf of a part of a batch; `None` where it is unknown."""
    if isinstance(part, dict):
        return [model_shapes.get(name) for name in part]
    count = len(list(iterate_leaves(part)))
    shapes = list(model_shapes.values())
    return list(shapes) if len(shapes) == count else [None] * count


class _SpecCheck:
    """Casts batches to a spec, and raises an error that names a batch that does not fit it."""

    def __init__(self, spec: Any) -> None:
        self._spec = spec
        self._number = _NUM_INSPECTED

    def __call__(self, batch: Batch) -> Batch:
        number = self._number
        self._number += 1
        try:
            return tuple(map_arrays(self._cast, batch, self._spec))
        except ValueError as error:
            raise ValueError(
                f"Batch {number} (from 0) does not have the form of the first ones: {error}"
            ) from None

    @staticmethod
    def _cast(array: Any, spec: Any) -> Any:
        if not isinstance(array, np.ndarray) or not spec.shape.is_compatible_with(array.shape):
            raise ValueError(
                f"an array has shape {np.shape(array)} instead of {tuple(spec.shape)}. A dimension "
                "that varies must vary in the first two batches, or be None in the model's "
                "`Input`."
            )
        dtype = np.dtype(spec.dtype.as_numpy_dtype)
        if array.dtype == dtype or dtype.kind == "O":
            return array
        if not np.can_cast(array.dtype, dtype, "same_kind") and np.any(array != np.rint(array)):
            raise ValueError(f"an array has dtype {array.dtype} instead of {dtype}.")
        return array.astype(dtype)
