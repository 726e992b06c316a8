"""`class_weight` turned into sample weights, which every kind of data may have in Keras 3."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_bigdata.legacy.batches import Batch, described, in_output_order, training_batch

Weights = dict[int, float]


def weighting(class_weight: Any, output_names: Sequence[str]) -> Callable[[Batch], Batch] | None:
    """A function that puts the class weights into a batch, or `None` if there are none.

    Args:
        class_weight: a dict of class to weight, or an array or a list of the weights of classes
            0, 1, ...; for several outputs a dict of output names to such, or a list of such.
        output_names: the names of the model's outputs, in order; empty if unknown.

    Raises:
        ValueError: if it is none of these; from the function: if a batch holds a class that has
            no weight, or targets that are no classes.
    """
    if class_weight is None or (hasattr(class_weight, "__len__") and len(class_weight) == 0):
        return None
    if isinstance(class_weight, str):
        warnings.warn(
            f"class_weight={class_weight!r} is ignored, as it was in Keras 2: it must be a dict of "
            "class to weight.",
            stacklevel=5,
        )
        return None
    by_output = _by_output(class_weight, output_names)
    if by_output is None:
        weights = _weights(class_weight)
        return lambda batch: _weighted(batch, weights)
    return lambda batch: _weighted_outputs(batch, by_output, output_names)


def _by_output(class_weight: Any, names: Sequence[str]) -> dict[str, Weights] | None:
    if isinstance(class_weight, Mapping) and all(isinstance(key, str) for key in class_weight):
        unknown = sorted(set(class_weight) - set(names))
        if unknown:
            raise ValueError(
                f"`class_weight` has {unknown}, which are no outputs of the model. Outputs: "
                f"{list(names)}"
            )
        return {name: _weights(part) for name, part in class_weight.items() if part is not None}
    if isinstance(class_weight, (list, tuple)) and any(
        isinstance(p, Mapping) for p in class_weight
    ):
        if len(class_weight) != len(names):
            raise ValueError(
                f"`class_weight` has {len(class_weight)} parts, and the model {len(names)} outputs."
            )
        pairs = zip(names, class_weight, strict=True)
        return {name: _weights(part) for name, part in pairs if part is not None}
    return None


def _weights(given: Any) -> Weights:
    try:
        if isinstance(given, Mapping):
            return {int(key): float(value) for key, value in given.items()}
        return {number: float(value) for number, value in enumerate(given)}
    except (TypeError, ValueError):
        raise ValueError(
            f"`class_weight` must be a dict of class to weight. Received: {given!r}"
        ) from None


def _weighted(batch: Batch, weights: Weights) -> Batch:
    x, y, weight = (*batch, None, None)[:3]
    if isinstance(y, dict) and len(y) == 1:
        (name, target), *_ = y.items()
        old = weight.get(name) if isinstance(weight, dict) else weight
        return x, y, {name: _combined(old, sample_weights(target, weights))}
    if not isinstance(y, np.ndarray):
        raise ValueError(
            "`class_weight` needs one array of targets; for several outputs it is a dict of output "
            f"names. Received targets: {described(y)}"
        )
    return x, y, _combined(weight, sample_weights(y, weights))


def _weighted_outputs(batch: Batch, by_output: dict[str, Weights], names: Sequence[str]) -> Batch:
    x, y, weight = (*batch, None, None)[:3]
    if isinstance(y, np.ndarray) and len(names) == 1:
        return _weighted(batch, by_output[names[0]]) if by_output else batch
    targets = y if isinstance(y, dict) else dict(zip(names, y, strict=True))
    old = weight if isinstance(weight, dict) else dict(zip(names, weight or (), strict=False))
    new = {}
    for name, target in targets.items():
        if name in by_output:
            new[name] = _combined(old.get(name), sample_weights(target, by_output[name]))
        else:
            before = old.get(name)
            new[name] = np.ones(len(target), np.float32) if before is None else before
    return x, y, new if isinstance(y, dict) else tuple(new[name] for name in names)


def sample_weights(y: Any, weights: Weights) -> np.ndarray:
    """The weight of each row's class.

    Args:
        y: classes of shape `(rows,)` or `(rows, 1)`, or one-hot rows of shape `(rows, classes)`.
        weights: the weight of each class.

    Raises:
        ValueError: if a class has no weight, or the targets have another shape.
    """
    if y.ndim > 2:
        raise ValueError(
            f"`class_weight` is for targets of one class a row. Received targets: {described(y)}"
        )
    classes = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(len(y))
    found, places = np.unique(np.round(classes).astype(int), return_inverse=True)
    missing = [int(number) for number in found if int(number) not in weights]
    if missing:
        raise ValueError(
            f"`class_weight` must hold every class of the data. Not in it: {missing}; it has "
            f"{sorted(weights)}."
        )
    return np.array([weights[int(number)] for number in found], np.float32)[places.reshape(-1)]


def _combined(old: Any, new: np.ndarray) -> np.ndarray:
    """Both weights count, as in Keras 2.3."""
    if old is None:
        return new
    product: np.ndarray = old * new.reshape(-1, *[1] * (old.ndim - 1)).astype(old.dtype)
    return product


def conversion(model: Any, class_weight: Any) -> Callable[[Any], Batch]:
    """A function that copies a batch, orders its outputs and weighs its classes.

    Args:
        model: the model that the batches are for.
        class_weight: as `fit_generator` takes it.

    Raises:
        ValueError: if `class_weight` cannot be understood.
    """
    names = list(getattr(model, "output_names", None) or ())
    as_dict = isinstance(getattr(model, "output", None), dict) if names else True
    weigh = weighting(class_weight, names)

    def convert(raw: Any) -> Batch:
        batch = training_batch(raw)
        if not as_dict:
            batch = in_output_order(batch, names)
        return batch if weigh is None else weigh(batch)

    return convert
