"""Converts the items that a generator yields to batches that Keras 3 accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_bigdata.legacy.generators.batch_arrays import (
    Batch,
    copy_arrays,
    count_rows,
    describe,
    is_list_of_numbers,
    map_arrays,
)
from keras_bigdata.legacy.generators.class_weights import class_weight_function
from keras_bigdata.legacy.models.model_tensors import class_weight_names, used_inputs


def training_batch_function(model: Any, class_weight: Any) -> Callable[[Any], Batch]:
    """Returns a function that converts an item of a generator to a batch for `fit` or `evaluate`.

    The function copies the arrays, puts targets and sample weights into the order of the model's
    outputs and applies the class weights.

    Args:
        model: the model that the batches are for.
        class_weight: as `fit_generator` takes it; `None` for evaluation.

    Raises:
        ValueError: if `class_weight` is not in a form that `fit_generator` takes.
    """
    names = list(getattr(model, "output_names", None) or ())
    takes_dict = isinstance(getattr(model, "output", None), dict) if names else True
    apply_class_weights = class_weight_function(class_weight, class_weight_names(model))

    def to_batch(raw: Any) -> Batch:
        batch = _training_batch(raw, model)
        if not takes_dict:
            batch = _in_output_order(batch, names)
        return batch if apply_class_weights is None else apply_class_weights(batch)

    return to_batch


def prediction_batch(raw: Any, num_inputs: int | None = None, model: Any = None) -> Batch:
    """Returns `(x,)` from an item of a generator for training or for prediction.

    A tuple is `(x, y)` or `(x, y, sample_weight)`; anything else is `x`, where a list holds several
    inputs.

    Args:
        raw: the item that the generator yielded.
        num_inputs: the number of inputs of the model, if known. With 1, a list `[x, y]` is read as
            the tuple `(x, y)`.
        model: the model, if known: parts of a dict that are not its inputs are left out.

    Raises:
        ValueError: if it is a tuple of another length, or has no rows.
        TypeError: if there is something other than an array where an array is required.
    """
    is_pair = (
        isinstance(raw, list) and num_inputs == 1 and len(raw) > 1 and not is_list_of_numbers(raw)
    )
    if isinstance(raw, tuple) or is_pair:
        if not 1 <= len(raw) <= 3:
            raise ValueError(
                "A generator for prediction must yield x, (x, y) or (x, y, sample_weight). "
                f"Received: {describe(raw)}. Pass several inputs as a list."
            )
        raw = raw[0]
    x = copy_arrays(used_inputs(model, raw), "x")
    count_rows((x,))
    return (x,)


def _training_batch(raw: Any, model: Any) -> Batch:
    """Returns `(x,)`, `(x, y)` or `(x, y, sample_weight)` with copied arrays.

    Raises:
        ValueError: if `raw` is not a tuple, list or dict of such parts, or has no rows.
        TypeError: if there is something other than an array where an array is required.
    """
    if isinstance(raw, Mapping):
        # Inputs only, for models that add their own losses.
        return (copy_arrays(used_inputs(model, raw), "x"),)
    if not isinstance(raw, (tuple, list)) or not 1 <= len(raw) <= 3:
        raise ValueError(
            "A generator for training or evaluation must yield batches (x, y) or "
            f"(x, y, sample_weight). Received: {describe(raw)}"
        )
    x = copy_arrays(used_inputs(model, raw[0]), "x")
    y = copy_arrays(raw[1], "y") if len(raw) > 1 else None
    sample_weight = copy_arrays(raw[2], "sample_weight") if len(raw) > 2 else None
    rows = count_rows((x,))
    if y is None:
        return (x,)
    if sample_weight is None:
        return (x, y)
    return (x, y, _fill_missing_weights(sample_weight, rows))


def _in_output_order(batch: Batch, names: Sequence[str]) -> Batch:
    """Turns dicts of targets and sample weights into tuples in the order of the model's outputs.

    Dicts whose keys are not the names of the outputs are left for Keras to refuse.
    """
    x, y, sample_weight = (*batch, None, None)[:3]
    if not isinstance(y, dict) and not isinstance(sample_weight, dict):
        return batch
    if isinstance(y, dict):
        if set(y) != set(names):
            return batch
        y = _values_in_order(y, names)
    if sample_weight is None:
        return (x, y)
    if isinstance(sample_weight, dict) and set(sample_weight) <= set(names):
        rows = count_rows((x,))
        sample_weight = _fill_missing_weights(_values_in_order(sample_weight, names), rows)
    return (x, y, sample_weight)


def _values_in_order(values: dict[str, Any], names: Sequence[str]) -> Any:
    parts = tuple(values.get(name) for name in names)
    return parts[0] if len(parts) == 1 else parts


def _fill_missing_weights(sample_weight: Any, rows: int) -> Any:
    """Replaces the `None` of an output without sample weights by ones."""
    return map_arrays(
        lambda weight: np.ones(rows, np.float32) if weight is None else weight, sample_weight
    )
