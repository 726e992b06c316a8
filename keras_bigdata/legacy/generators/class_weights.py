"""`class_weight` as sample weights, which Keras 3 accepts with every kind of data."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_bigdata.legacy.generators.batch_arrays import Batch, describe

ClassWeights = dict[int, float]


def class_weight_function(
    class_weight: Any, output_names: Sequence[str]
) -> Callable[[Batch], Batch] | None:
    """Returns a function that multiplies class weights into a batch, or `None` if there are none.

    Args:
        class_weight: a dict of class to weight, or an array or a list of the weights of classes
            0, 1, ...; with several outputs, a dict of output name to one of these, or a list. A
            list of several for one output is ignored with a warning.
        output_names: the names of the model's outputs, in order; empty if unknown.

    Raises:
        ValueError: if `class_weight` has another form; from the returned function: if a batch holds
            a class that has no weight, or targets that are not classes.
    """
    if class_weight is None or (hasattr(class_weight, "__len__") and len(class_weight) == 0):
        return None
    if isinstance(class_weight, str):
        warnings.warn(
            f"class_weight={class_weight!r} is ignored, as it was in Keras 2: it must be a dict of "
            "class to weight.",
            stacklevel=4,  # the call of `fit_generator`
        )
        return None
    if len(output_names) == 1 and _is_list_of_parts(class_weight) and len(class_weight) > 1:
        # The model of a GAN has fewer outputs than its discriminator, and gets the same list.
        warnings.warn(
            f"class_weight is a list of {len(class_weight)} parts for a model with one output: it "
            "is ignored, as it was in Keras 1 and 2. Pass the part of this output to use it.",
            stacklevel=4,
        )
        return None
    weights_by_output = _weights_by_output(class_weight, output_names)
    if weights_by_output is None:
        weights = _checked_weights(class_weight)
        return lambda batch: _weight_one_output(batch, weights)
    return lambda batch: _weight_outputs(batch, weights_by_output, output_names)


def compute_sample_weights(y: Any, weights: ClassWeights) -> np.ndarray:
    """Returns the weight of the class of each row.

    Args:
        y: classes of shape `(rows,)` or `(rows, 1)`, or one-hot rows of shape `(rows, classes)`.
        weights: the weight of each class.

    Returns:
        Weights of shape `(rows,)` and dtype `float32`.

    Raises:
        ValueError: if a class has no weight, or the targets have another shape.
    """
    if y.ndim > 2:
        raise ValueError(
            "`class_weight` requires targets with one class per row. Received targets: "
            f"{describe(y)}"
        )
    classes = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(len(y))
    fractions = [value for value in np.unique(classes).tolist() if value % 1 != 0]
    if fractions:
        raise ValueError(
            "`class_weight` requires targets that are numbers of classes, 0, 1, ... Received "
            f"targets with the values {fractions[:5]}. Remove `class_weight` if these are values "
            "to predict (regression)."
        )
    unique, inverse = np.unique(classes.astype(int), return_inverse=True)
    missing = [int(number) for number in unique if int(number) not in weights]
    if missing:
        raise ValueError(
            f"`class_weight` must have a weight for every class of the data. Missing: {missing}. "
            f"Received weights for: {sorted(weights)}"
        )
    return np.array([weights[int(number)] for number in unique], np.float32)[inverse.reshape(-1)]


def _is_list_of_parts(class_weight: Any) -> bool:
    return isinstance(class_weight, (list, tuple)) and any(
        isinstance(part, Mapping) for part in class_weight
    )


def _weights_by_output(
    class_weight: Any, output_names: Sequence[str]
) -> dict[str, ClassWeights] | None:
    """Returns the class weights of each output, or `None` if `class_weight` is for one output."""
    if isinstance(class_weight, Mapping) and all(isinstance(key, str) for key in class_weight):
        unknown = sorted(set(class_weight) - set(output_names))
        if unknown:
            raise ValueError(
                f"`class_weight` has names that are not outputs of the model: {unknown}. Outputs: "
                f"{list(output_names)}"
            )
        return {
            name: _checked_weights(part) for name, part in class_weight.items() if part is not None
        }
    if _is_list_of_parts(class_weight):
        if len(class_weight) != len(output_names):
            raise ValueError(
                "`class_weight` must have one part per output of the model. Received "
                f"{len(class_weight)} parts for {len(output_names)} outputs."
            )
        pairs = zip(output_names, class_weight, strict=True)
        return {name: _checked_weights(part) for name, part in pairs if part is not None}
    return None


def _checked_weights(class_weight: Any) -> ClassWeights:
    try:
        if isinstance(class_weight, Mapping):
            if any(float(key) % 1 for key in class_weight):
                raise ValueError  # int() would make class 0 of 0.5
            return {int(key): float(value) for key, value in class_weight.items()}
        return {number: float(value) for number, value in enumerate(class_weight)}
    except (TypeError, ValueError):
        raise ValueError(
            "`class_weight` must be a dict of class to weight, whose classes are whole numbers. "
            f"Received: {class_weight!r}"
        ) from None


def _weight_one_output(batch: Batch, weights: ClassWeights) -> Batch:
    x, y, sample_weight = (*batch, None, None)[:3]
    if isinstance(y, dict) and len(y) == 1:
        (name, target), *_ = y.items()
        old = sample_weight.get(name) if isinstance(sample_weight, dict) else sample_weight
        return x, y, {name: _multiplied(old, compute_sample_weights(target, weights))}
    if not isinstance(y, np.ndarray):
        raise ValueError(
            "`class_weight` must be a dict of output names to dicts of class to weight when there "
            f"are several outputs. Received targets: {describe(y)}"
        )
    return x, y, _multiplied(sample_weight, compute_sample_weights(y, weights))


def _weight_outputs(
    batch: Batch, weights_by_output: dict[str, ClassWeights], output_names: Sequence[str]
) -> Batch:
    x, y, sample_weight = (*batch, None, None)[:3]
    if isinstance(y, np.ndarray) and len(output_names) == 1:
        if not weights_by_output:
            return batch
        return _weight_one_output(batch, weights_by_output[output_names[0]])
    targets = y if isinstance(y, dict) else dict(zip(output_names, y, strict=True))
    if isinstance(sample_weight, dict):
        old = sample_weight
    else:
        old = dict(zip(output_names, sample_weight or (), strict=False))
    new = {}
    for name, target in targets.items():
        if name in weights_by_output:
            of_classes = compute_sample_weights(target, weights_by_output[name])
            new[name] = _multiplied(old.get(name), of_classes)
        else:
            unchanged = old.get(name)
            new[name] = np.ones(len(target), np.float32) if unchanged is None else unchanged
    return x, y, new if isinstance(y, dict) else tuple(new[name] for name in output_names)


def _multiplied(sample_weight: Any, class_weight: np.ndarray) -> np.ndarray:
    """Returns the products of both weights of each row, as in Keras 2.3, as floats."""
    if sample_weight is None:
        return class_weight
    trailing = [1] * (sample_weight.ndim - 1)
    product: np.ndarray = sample_weight * class_weight.reshape(-1, *trailing)
    return product
