"""Whether the losses of a model stay the same if a batch is padded with rows of weight 0."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

# Accepted relative difference of two losses in float32.
_TOLERANCE = 1e-3


def loss_changed_by_padding(
    model: Any, rows: tuple[Any, Any], padded: tuple[Any, Any], places: list[int]
) -> str | None:
    """Returns a description of a loss that differs between some rows and the same rows, padded.

    The mean of the losses of rows, which Keras computes by default, stays the same if the weights
    compensate for the padding. A sum over rows, one value for a batch, and values whose shape
    differs from that of the weights do not.

    Args:
        model: the model. Its predictions are replaced by random numbers.
        rows: targets and sample weights (or `None`) of some rows.
        padded: the same with the padding.
        places: for each row of `padded`, its row in `rows`.

    Returns:
        The name of an output and what is different, or `None` if nothing is, or if the losses are
        not known yet.

    Finds: `model._compile_loss`, its `built` and `_flat_losses`: path, function, weight and name
    for each output; `model._outputs_struct`, the outputs of a functional model.

    Seen in: Keras 3.15.1.

    Upstream: none filed.

    Without it: a loss that the padding changes is not refused.
    """
    losses: Any = getattr(model, "_compile_loss", None)
    outputs = getattr(model, "_outputs_struct", None)
    if outputs is None or not getattr(losses, "built", False):
        return None
    rng = np.random.default_rng(0)
    for loss in getattr(losses, "_flat_losses", None) or ():
        try:
            (target, weights), (padded_target, padded_weights) = (
                [_at(each, loss.path) for each in pair] for pair in (rows, padded)
            )
            shape = _at(outputs, loss.path).shape[1:]
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # targets in another structure than the outputs
        if None in shape:
            shape = (*target.shape[1 : 1 + len(shape) - 1], shape[-1])
        if None in shape or loss.loss is None:
            continue
        values = rng.uniform(0.1, 0.9, (len(target), *shape)).astype("float32")
        try:
            expected = _number(loss.loss(target, values, weights))
        except Exception:  # it does not accept random predictions
            continue
        try:
            actual = _number(loss.loss(padded_target, values[places], padded_weights))
        except Exception as error:
            return f"{loss.name!r} does not accept the weights: {str(error)[:200]}"
        if not np.isclose(actual, expected, rtol=_TOLERANCE, atol=1e-6, equal_nan=True):
            return f"{loss.name!r} is {actual:.6g} for padded rows instead of {expected:.6g}"
    return None


def passes_mask_to_loss(model: Any) -> bool:
    """Returns whether a layer such as `Embedding(mask_zero=True)` masks values of a loss.

    Keras divides such a loss by the number of values that are not masked, also of padded rows.

    Finds: `_keras_mask` of the outputs of a functional model.

    Seen in: Keras 3.15.1.

    Upstream: none filed.

    Without it: a warning does not say that this loss is not exact.
    """
    outputs = keras.tree.flatten(getattr(model, "outputs", None) or [])
    return any(getattr(output, "_keras_mask", None) is not None for output in outputs)


def _at(values: Any, path: tuple[Any, ...]) -> Any:
    """Returns the value of a structure at a path; an array stands for all paths below it."""
    for key in path:
        if isinstance(values, dict | list | tuple):
            values = values[key]
    return values


def _number(loss: Any) -> float:
    return float(np.sum(keras.ops.convert_to_numpy(loss)))
