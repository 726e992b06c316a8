"""A feed as data that `fit`, `evaluate` and `predict` of Keras 3 take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_bigdata.legacy.batch_queue import Feed
from keras_bigdata.legacy.batches import Batch, leaves, mapped

# Keras, too, looks at two batches to learn which dimensions vary.
_SEEN_FIRST = 2


class Handover:
    """Gives the batches of a feed to the model, one when a step wants one.

    Keras's own way for generators reads ahead on TensorFlow, on threads of TensorFlow: errors of
    the source get lost in it, and batches between two evaluations. So there the batches go through
    a `tf.data.Dataset` without any reading ahead.
    """

    def __init__(self, model: Any, feed: Feed) -> None:
        self._feed = feed
        self._spec: Any = None
        feed.fill(_SEEN_FIRST)
        seen = feed.waiting()
        if keras.backend.backend() == "tensorflow" and seen and all(map(_is_plain, seen)):
            self._spec = _signature(model, seen)
            feed.check = _Conform(self._spec)

    def data(self, batches: Callable[[], Iterator[Batch]]) -> Any:
        """What to pass to the model. `batches` is `feed.all_rounds` or `feed.one_round`."""
        if self._spec is None:
            return batches()
        import tensorflow as tf

        dataset = tf.data.Dataset.from_generator(batches, output_signature=self._spec)
        options = tf.data.Options()
        options.autotune.enabled = False
        options.experimental_optimization.inject_prefetch = False
        return dataset.with_options(options)


def _is_plain(batch: Batch) -> bool:
    return all(isinstance(leaf, np.ndarray) for leaf in leaves(batch))


def _signature(model: Any, seen: list[Batch]) -> Any:
    """What every batch will look like; dimensions that vary are `None`.

    A dimension varies if it does so in the batches seen, or if the model left it open.
    """
    import tensorflow as tf

    mapped(lambda *arrays: None, *seen)  # refuses batches that differ in structure
    inputs = _shapes(model, "inputs")
    outputs = _shapes(model, "outputs")

    def spec(open_shape: tuple[Any, ...] | None, arrays: tuple[np.ndarray, ...]) -> Any:
        first = arrays[0]
        if any(array.ndim != first.ndim for array in arrays):
            shapes = [array.shape for array in arrays]
            raise ValueError(f"The first batches have arrays of different rank: {shapes}")
        shape = [
            dims[0] if len(set(dims)) == 1 else None
            for dims in zip(*(array.shape for array in arrays), strict=True)
        ]
        shape[0] = None
        for axis, size in enumerate(open_shape or ()):
            if size is None and axis < len(shape):
                shape[axis] = None
        return tf.TensorSpec(shape, tf.as_dtype(first.dtype))

    parts = []
    for position, part in enumerate(zip(*seen, strict=True)):
        # Weights of time steps are as long as the targets they weigh.
        shapes = iter(_per_leaf(part[0], inputs if position == 0 else outputs))
        parts.append(
            mapped(lambda *arrays, shapes=shapes: spec(next(shapes), arrays), part[0], *part[1:])
        )
    return tuple(parts)


def _shapes(model: Any, kind: str) -> dict[str, tuple[Any, ...]]:
    """Names and shapes of the inputs or outputs, if the model knows them."""
    try:
        tensors = list(getattr(model, kind, None) or ())
    except (AttributeError, ValueError):
        return {}
    names = getattr(model, "output_names", None) if kind == "outputs" else None
    if not names or len(names) != len(tensors):
        names = [tensor.name for tensor in tensors]
    return {name: tuple(tensor.shape) for name, tensor in zip(names, tensors, strict=True)}


def _per_leaf(part: Any, known: dict[str, tuple[Any, ...]]) -> list[tuple[Any, ...] | None]:
    if isinstance(part, dict):
        return [known.get(name) for name in part]
    count = len(list(leaves(part)))
    shapes = list(known.values())
    return list(shapes) if len(shapes) == count else [None] * count


class _Conform:
    """Refuses a batch that the model's step was not built for, and says which."""

    def __init__(self, spec: Any) -> None:
        self._spec = spec
        self._number = 0

    def __call__(self, batch: Batch) -> Batch:
        number = self._number
        self._number += 1
        try:
            return tuple(mapped(self._array, batch, self._spec))
        except ValueError as error:
            raise ValueError(
                f"Batch {number + _SEEN_FIRST} (from 0) does not go with the first ones: {error}"
            ) from None

    @staticmethod
    def _array(array: Any, spec: Any) -> Any:
        if not isinstance(array, np.ndarray) or not spec.shape.is_compatible_with(array.shape):
            raise ValueError(
                f"an array has shape {np.shape(array)}, and {tuple(spec.shape)} was expected. "
                "Dimensions that vary must do so in the first two batches, or be None in the "
                "model's Input."
            )
        wanted = np.dtype(spec.dtype.as_numpy_dtype)
        if array.dtype == wanted or wanted.kind == "O":
            return array
        if not np.can_cast(array.dtype, wanted, "same_kind") and np.any(array != np.rint(array)):
            raise ValueError(f"an array has dtype {array.dtype}, and {wanted} was expected.")
        return array.astype(wanted)
