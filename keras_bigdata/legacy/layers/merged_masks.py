"""Masks of `concatenate`, `add` and the other merging layers, as Keras 1 and 2 computed them.

A step counted in the result if it counted in every input, and an input without a mask counted
completely:
https://github.com/keras-team/keras/blob/2.2.4/keras/layers/merge.py (`compute_mask`). In Keras 3 a
step counts if it counts in any input; `add` of an input without a mask has no mask; and `multiply`,
`maximum` and `minimum` ignore the values of steps that are masked.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_bigdata.keras_internals.legacy import merging_method
from keras_bigdata.legacy.patching import defining_class, wrap

# The layers whose values depend on the masks in Keras 3.
_JOINED_BY = {
    keras.layers.Multiply: ops.multiply,
    keras.layers.Maximum: ops.maximum,
    keras.layers.Minimum: ops.minimum,
}


def install() -> None:
    """Makes the merging layers compute the old masks, and the values without the masks."""
    wrap(defining_class(keras.layers.Add, "compute_mask"), "compute_mask", _elementwise)
    wrap(keras.layers.Concatenate, "compute_mask", _concatenated)
    for layer, join in _JOINED_BY.items():
        name = merging_method(layer)
        if name is not None:
            wrap(layer, name, functools.partial(_without_masks, join))


def mask_of_all(masks: Sequence[Any]) -> Any:
    """Returns the mask of a sum: the steps that count in every input.

    Args:
        masks: the masks of the inputs; `None` for those that have none.
    """
    known = [mask for mask in masks if mask is not None]
    return functools.reduce(ops.logical_and, known) if known else None


def mask_of_concatenation(inputs: Sequence[Any], masks: Sequence[Any], axis: int) -> Any:
    """Returns the mask of concatenated inputs.

    Args:
        inputs: the tensors.
        masks: their masks; `None` for those that have none.
        axis: the axis of the concatenation.
    """
    if all(mask is None for mask in masks):
        return None
    parts = []
    for tensor, mask in zip(inputs, masks, strict=True):
        ones = ops.ones_like(tensor, dtype="bool")
        if mask is None:
            parts.append(ones)
        elif len(mask.shape) == len(tensor.shape) - 1:
            # As wide as the input, because that of an input without a mask is too.
            parts.append(ops.logical_and(ops.expand_dims(mask, -1), ones))
        elif len(mask.shape) < len(tensor.shape):
            parts.append(ops.expand_dims(mask, -1))
        else:
            parts.append(mask)
    return ops.all(ops.concatenate(parts, axis=axis), axis=-1)


def _elementwise(compute_mask: Any) -> Any:
    @functools.wraps(compute_mask)
    def mask_of_all_inputs(self: Any, inputs: Any, mask: Any = None) -> Any:
        if not _is_one_for_each(inputs, mask):
            return compute_mask(self, inputs, mask)  # which says what is wrong
        return mask_of_all(mask)

    return mask_of_all_inputs


def _concatenated(compute_mask: Any) -> Any:
    @functools.wraps(compute_mask)
    def mask_of_concatenated_inputs(self: Any, inputs: Any, mask: Any = None) -> Any:
        if not _is_one_for_each(inputs, mask):
            return compute_mask(self, inputs, mask)
        return mask_of_concatenation(inputs, mask, self.axis)

    return mask_of_concatenated_inputs


def _is_one_for_each(inputs: Any, masks: Any) -> bool:
    are_lists = isinstance(inputs, list | tuple) and isinstance(masks, list | tuple)
    return are_lists and len(inputs) == len(masks)


def _without_masks(join: Any, merge: Any) -> Any:
    @functools.wraps(merge)
    def merge_without_masks(self: Any, inputs: Any) -> Any:
        return functools.reduce(join, inputs)

    return merge_without_masks
