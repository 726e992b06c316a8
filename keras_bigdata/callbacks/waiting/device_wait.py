"""Waits until the device has finished the steps of a training."""

from __future__ import annotations

from typing import Any

import keras


def wait_for_device(model: Any) -> None:
    """Waits until the device has finished all steps.

    Args:
        model: the model that is trained.
    """
    variables = model.trainable_variables or model.metrics_variables
    if not variables:
        return
    smallest = min(variables, key=_size)
    value = smallest.value
    if getattr(value, "is_fully_replicated", True):
        keras.ops.convert_to_numpy(smallest)
    else:
        # Variables that several JAX processes divide among themselves cannot be converted. Each
        # process waits for its own part.
        value.block_until_ready()


def _size(variable: Any) -> int:
    size = 1
    for dimension in variable.shape:
        size *= int(dimension)
    return size
