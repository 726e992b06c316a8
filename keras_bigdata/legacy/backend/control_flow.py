"""`switch`, `in_train_phase` and loops, with `keras.ops`."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_bigdata.legacy.backend.learning_phase import current_phase


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """Returns one of two expressions, or of their elements; functions are called."""
    if not getattr(condition, "shape", ()):
        if callable(then_expression) or callable(else_expression):
            return ops.cond(
                ops.cast(condition, "bool"), _function(then_expression), _function(else_expression)
            )
        return ops.where(ops.cast(condition, "bool"), then_expression, else_expression)
    then_expression, else_expression = _value(then_expression), _value(else_expression)
    condition = ops.cast(condition, "bool")
    rank = len(then_expression.shape)
    if len(condition.shape) > rank:
        raise ValueError(
            "switch: the condition has more dimensions than the expressions: "
            f"{len(condition.shape)} and {rank}."
        )
    while len(condition.shape) < rank:
        condition = ops.expand_dims(condition, -1)
    return ops.where(condition, then_expression, else_expression)


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Returns `x` while a model is trained, else `alt`; functions are called."""
    if training is None:
        training = current_phase()
    if not isinstance(training, bool | int):
        return switch(training, x, alt)
    is_symbolic = isinstance(x, keras.KerasTensor) or isinstance(alt, keras.KerasTensor)
    if is_symbolic and not callable(x) and not callable(alt):
        return _TrainPhase()(x, alt)
    return _value(x) if training else _value(alt)


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Returns `alt` while a model is trained, else `x`; functions are called."""
    return in_train_phase(alt, x, training)


def map_fn(fn: Any, elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """Returns the results for each element along the first axis."""
    return ops.map(fn, elems)


def foldl(fn: Any, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """Combines the elements along the first axis from first to last."""
    rows = list(ops.unstack(elems))
    result = rows.pop(0) if initializer is None else initializer
    for row in rows:
        result = fn(result, row)
    return result


def foldr(fn: Any, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """Combines the elements along the first axis from last to first."""
    return foldl(fn, ops.flip(elems, axis=0), initializer)


class _TrainPhase(keras.layers.Layer):
    """Passes on one of two symbolic tensors."""

    def call(self, x: Any, alt: Any, training: bool | None = None) -> Any:
        """Returns `x` in training."""
        return x if training else alt

    def compute_output_shape(self, x_shape: Any, alt_shape: Any) -> Any:
        """Returns the shape of `x`."""
        return x_shape


def _function(expression: Any) -> Any:
    return expression if callable(expression) else lambda: expression


def _value(expression: Any) -> Any:
    return expression() if callable(expression) else expression
