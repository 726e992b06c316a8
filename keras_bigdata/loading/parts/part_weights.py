"""The weights of the rows of a padded batch, as Keras takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.fields.roles import Structure, map_structure
from keras_bigdata.shards.fields.standard_fields import MASKS

# Key of the weights in a batch, until the batch is arranged. No field has such a name.
PART_WEIGHTS = "\0part weights"


def apply_weights(
    parts: list[Any],
    batch: Mapping[str, npt.NDArray[Any]],
    targets: Structure | None,
    leading: int,
) -> list[Any]:
    """Returns `[x, y, sample_weight]` with the weights of a padded batch.

    Args:
        parts: `[x, y]` or `[x, y, sample_weight]`.
        batch: the arrays by name; `PART_WEIGHTS` has one weight per row.
        targets: the structure of the targets: without sample weights, each target gets the weights.
        leading: number of dimensions before those of a row.

    Raises:
        ValueError: if a batch without targets is padded: Keras takes no weights for it.
    """
    weights = batch[PART_WEIGHTS]
    if targets is None:
        if (weights != 1).any():
            raise ValueError(
                "The last batch cannot be divided among the processes, and without `targets` its "
                "padding cannot get weight 0, so that rows would be served twice. Read all rows in "
                "one process, with part=(0, 1)."
            )
        return parts
    if len(parts) == 2:

        def of_target(name: str) -> npt.NDArray[np.float32]:
            return weights_for(weights, batch[name], leading, is_mask=name == MASKS)

        return [*parts, map_structure(targets, of_target)]
    return [*parts[:2], _multiplied(parts[2], weights, leading)]


def weights_for(
    weights: npt.NDArray[np.float32],
    target: npt.NDArray[Any],
    leading: int,
    *,
    is_mask: bool = False,
) -> npt.NDArray[np.float32]:
    """Returns weights of rows in a shape in which losses and metrics of a target take them.

    A loss of Keras has one value for each value of the target, or one less dimension, and Keras
    adds or removes one dimension of size 1 only: weights of shape `(rows,)` for losses of shape
    `(rows, 8, 8)` fail, or multiply columns instead of rows if a batch has 8 of them.

    Args:
        weights: float32 array, one weight per row.
        target: the array of the target.
        leading: number of dimensions before those of a row.
        is_mask: whether the target is a mask, of class numbers if they are integers. Defaults to
            `False`.

    Returns:
        A float32 array: with one weight per row; with as many dimensions as the target; or with one
        weight per pixel where each has one value, which metrics such as `MeanIoU` need.
    """
    row_shape = target.shape[leading:]
    is_integer = np.issubdtype(target.dtype, np.integer)
    if len(row_shape) < 2 and not (row_shape and is_integer):
        return weights
    ones = (1,) * len(row_shape)
    if len(row_shape) > 2 and row_shape[-1] == 1:
        ones = row_shape[:-1]
    elif len(row_shape) == 2 and is_mask and is_integer:
        ones = row_shape
    weights = weights.reshape(*weights.shape, *[1] * len(ones))
    return weights * np.ones(ones, np.float32)


def _multiplied(value: Any, weights: npt.NDArray[np.float32], leading: int) -> Any:
    if isinstance(value, dict):
        return {key: _multiplied(each, weights, leading) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_multiplied(each, weights, leading) for each in value)
    factors = weights.reshape(*weights.shape, *[1] * (np.ndim(value) - leading))
    return value * factors
