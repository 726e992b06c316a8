"""Passes targets to metrics that are functions of the script as Keras 2 did.

Keras 2 cast targets to the dtype of the outputs, and reshaped (rows,) to (rows, 1). Keras 3 does so
only for losses and for its own metrics. In a function of the script, the product of targets (rows,)
and outputs (rows, 1) has the shape (rows, rows), so that precision, recall or dice would be wrong
without an error.
"""

from __future__ import annotations

import functools
import types
from typing import Any

import keras
from keras import ops

from keras_bigdata.legacy.function_code import outer_values, used_names
from keras_bigdata.legacy.patching import wrap


def install() -> None:
    """Makes `MeanMetricWrapper` convert the targets for such functions."""
    wrap(keras.metrics.MeanMetricWrapper, "update_state", _with_old_targets)


def _with_old_targets(update_state: Any) -> Any:
    @functools.wraps(update_state)
    def update_state_with_old_targets(
        self: Any, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        function = getattr(self, "_fn", None)
        if not _is_old_function(function) or keras.tree.is_nested(y_true):
            return update_state(self, y_true, y_pred, sample_weight)
        try:
            return update_state(self, _as_in_keras_2(y_true, y_pred), y_pred, sample_weight)
        except (TypeError, ValueError):  # the function expects integers
            return update_state(self, y_true, y_pred, sample_weight)

    return update_state_with_old_targets


def _as_in_keras_2(y_true: Any, y_pred: Any) -> Any:
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, y_pred.dtype)
    if len(y_true.shape) == 1 and len(y_pred.shape) == 2:
        y_true = ops.expand_dims(y_true, -1)
    return y_true


def _is_old_function(function: Any) -> bool:
    """Whether a function belongs to the script and does not use `keras.ops` of Keras 3."""
    while isinstance(function, functools.partial):
        function = function.func
    if not isinstance(function, types.FunctionType | types.MethodType):
        return False
    module = str(function.__module__)
    if module.partition(".")[0] in ("keras", "tensorflow", "keras_bigdata"):
        return module.endswith("legacy.modules.batch_metrics")
    return not _uses_ops(function, set())


def _uses_ops(function: Any, seen: set[Any]) -> bool:
    """Whether a function, or one of the script that it calls, uses `keras.ops`."""
    code = getattr(function, "__code__", None)
    if code is None or code in seen:
        return False
    seen.add(code)
    values = outer_values(function).values()
    if "ops" in used_names(code) or any(value is ops for value in values):
        return True
    for value in values:
        if isinstance(value, types.FunctionType):
            if value.__module__ == ops.sum.__module__ or value.__module__.startswith(
                ops.sum.__module__.rpartition(".")[0] + "."
            ):
                return True
            if value.__module__ == function.__module__ and _uses_ops(value, seen):
                return True
    return False
