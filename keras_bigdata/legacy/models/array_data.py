"""Arrays in the forms that Keras 1 and 2 took, as Keras 3 takes them."""

from __future__ import annotations

import numbers
import warnings
from typing import Any

import numpy as np

from keras_bigdata.legacy.generators.batch_arrays import is_list_of_numbers
from keras_bigdata.legacy.generators.class_weights import class_weight_function
from keras_bigdata.legacy.models import model_tensors


def inputs(model: Any, x: Any) -> Any:
    """Returns inputs with lists of numbers as arrays; a list of one input becomes that input."""
    return _arrays(model_tensors.used_inputs(model, x), model_tensors.shapes(model, "inputs"))


def targets(model: Any, y: Any) -> Any:
    """Returns targets, converted in the same way as inputs.

    Keras 1 and 2 reshaped targets of shape `(rows,)` to `(rows, 1)`. A loss of Keras 3 does so
    itself, and `custom_metrics` does it for metrics that are functions of the script.

    A dict whose keys are the names of the outputs becomes a list in their order. Keras 3 does not
    take such a dict for one output, nor together with a dict of sample weights ("KeyError: 0").
    """
    names = model_tensors.class_weight_names(model)
    takes_dict = isinstance(getattr(model, "output", None), dict) if names else True
    if isinstance(y, dict) and not takes_dict and set(y) == set(names):
        y = [y[name] for name in names] if len(names) > 1 else y[names[0]]
    return _arrays(y, model_tensors.shapes(model, "outputs"))


def sample_weights(model: Any, y: Any, weights: Any) -> Any:
    """Returns sample weights with the structure of the targets; outputs without any weigh 1."""
    names = model_tensors.output_names(model)
    if isinstance(weights, (list, tuple)):
        if len(weights) == 1 and not isinstance(y, (list, tuple, dict)):
            return weights[0] if hasattr(weights[0], "shape") else np.asarray(weights)
        if is_list_of_numbers(weights):
            return np.asarray(weights)
        if isinstance(y, (list, tuple)) and len(weights) == len(y):
            return type(y)(
                [_ones(one) if w is None else w for one, w in zip(y, weights, strict=True)]
            )
    if isinstance(weights, dict) and weights and names:
        if isinstance(y, (list, tuple)) and len(y) == len(names) and set(weights) <= set(names):
            pairs = zip(names, y, strict=True)
            return type(y)([weights[n] if n in weights else _ones(one) for n, one in pairs])
        if isinstance(y, dict) and set(weights) < set(y):
            return {n: weights[n] if n in weights else _ones(one) for n, one in y.items()}
        if not isinstance(y, (list, tuple, dict)) and list(weights) == names:
            return weights[names[0]]
    return weights


def convert_targets(model: Any, arguments: dict[str, Any]) -> None:
    """Converts the targets, the sample weights and the class weights in the arguments of a call."""
    y = arguments["y"] = targets(model, arguments["y"])
    weights = arguments.get("sample_weight")
    if weights is not None:
        weights = arguments["sample_weight"] = sample_weights(model, y, weights)
    if arguments.get("class_weight") is not None:
        arguments["sample_weight"], arguments["class_weight"] = _with_class_weights(
            model, y, weights, arguments["class_weight"]
        )


def _with_class_weights(model: Any, y: Any, sample_weight: Any, class_weight: Any) -> Any:
    """Returns `(sample_weight, class_weight)` in forms that Keras 3 takes.

    Class weights of another form than a dict of class to weight become sample weights.

    Raises:
        ValueError: if `class_weight` has no known form, or there is a class without weight.
    """
    if class_weight is None:
        return sample_weight, None
    if sample_weight is not None:
        warnings.warn(
            "Found both `sample_weight` and `class_weight`: as in Keras 2, the latter is ignored. "
            "Multiply the sample weights with the weights of the classes to use both.",
            stacklevel=4,
        )
        return sample_weight, None
    is_plain = isinstance(class_weight, dict) and all(
        isinstance(key, numbers.Integral) for key in class_weight
    )
    if is_plain and class_weight and not isinstance(y, (list, tuple, dict)):
        return None, class_weight
    weigh = class_weight_function(class_weight, model_tensors.class_weight_names(model))
    if weigh is None:
        return None, None
    as_arrays = _map(np.asarray, y)
    as_arrays = tuple(as_arrays) if isinstance(as_arrays, list) else as_arrays
    weights = weigh((None, as_arrays))[2]
    return (list(weights) if isinstance(y, list) else weights), None


def _arrays(value: Any, shapes: list[tuple[Any, ...]]) -> Any:
    """Converts lists of numbers to arrays, and unpacks a list that holds the only array.

    Args:
        value: the inputs or the targets.
        shapes: those of the model; empty if they are not known.
    """
    if not isinstance(value, (list, tuple)) or len(value) == 0:
        return value
    is_array = [hasattr(part, "shape") and len(part.shape) > 0 for part in value]
    if len(shapes) > 1 and len(value) == len(shapes):
        parts = zip(value, is_array, strict=True)
        return type(value)(
            [
                part if known or not isinstance(part, list) else np.asarray(part)
                for part, known in parts
            ]
        )
    if is_list_of_numbers(value):
        array = np.asarray(value)
        # A list that holds the only input, which is a list itself.
        is_wrapped = len(value) == 1 and len(shapes) == 1 and array.ndim == len(shapes[0]) + 1
        return array[0] if is_wrapped else array
    if all(is_array) and len(value) == 1 and len(shapes) <= 1:
        return value[0]
    if all(is_array) and len(shapes) == 1:
        # A list of samples, with one array each.
        return np.asarray(value) if value[0].ndim == len(shapes[0]) - 1 else value
    return value


def _ones(target: Any) -> np.ndarray:
    return np.ones(len(target), np.float32)


def _map(function: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: function(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [function(part) for part in value]
    return function(value)
