"""The weights of the rows of a padded batch, as Keras takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.roles import Structure, map_structure

# Key of the weights in a batch, until the batch is arranged. No field has such a name.
PART_WEIGHTS = "\0part weights"


def apply_weights(
    parts: list[Any], weights: npt.NDArray[np.float32], targets: Structure, leading: int
) -> list[Any]:
    """Returns `[x, y, sample_weight]` with the weights of a padded batch.

    Args:
        parts: `[x, y]` or `[x, y, sample_weight]`.
        weights: float32 array, one weight per row.
        targets: the structure of the targets: without sample weights, each target gets the weights.
        leading: number of dimensions before those of a row.
    """
    if len(parts) == 2:
        return [*parts, map_structure(targets, lambda name: weights)]
    return [*parts[:2], _multiplied(parts[2], weights, leading)]


def _multiplied(value: Any, weights: npt.NDArray[np.float32], leading: int) -> Any:
    if isinstance(value, dict):
        return {key: _multiplied(each, weights, leading) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_multiplied(each, weights, leading) for each in value)
    factors = weights.reshape(*weights.shape, *[1] * (np.ndim(value) - leading))
    return value * factors
