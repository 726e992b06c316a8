"""Metrics of Keras 1 that were computed batch by batch: precision, recall, F score."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def precision(y_true: Any, y_pred: Any) -> Any:
    """Returns the share of the positive predictions that are right."""
    _, predicted, found = _counts(y_true, y_pred)
    return found / (predicted + keras.backend.epsilon())


def recall(y_true: Any, y_pred: Any) -> Any:
    """Returns the share of the positive targets that are found."""
    true, _, found = _counts(y_true, y_pred)
    return found / (true + keras.backend.epsilon())


def fbeta_score(y_true: Any, y_pred: Any, beta: float = 1) -> Any:
    """Returns the weighted harmonic mean of precision and recall; 0 without positive targets."""
    if beta < 0:
        raise ValueError(f"`beta` must be at least 0 (only precision). Received: beta={beta!r}")
    true, _, _ = _counts(y_true, y_pred)
    p, r = precision(y_true, y_pred), recall(y_true, y_pred)
    score = (1 + beta**2) * (p * r) / (beta**2 * p + r + keras.backend.epsilon())
    return ops.where(true == 0, ops.zeros_like(score), score)


def fmeasure(y_true: Any, y_pred: Any) -> Any:
    """Returns the harmonic mean of precision and recall."""
    return fbeta_score(y_true, y_pred, beta=1)


def matthews_correlation(y_true: Any, y_pred: Any) -> Any:
    """Returns the correlation of targets and predictions of two classes."""
    predicted, true = ops.round(ops.clip(y_pred, 0, 1)), ops.round(ops.clip(y_true, 0, 1))
    tp, tn = ops.sum(true * predicted), ops.sum((1 - true) * (1 - predicted))
    fp, fn = ops.sum((1 - true) * predicted), ops.sum(true * (1 - predicted))
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    denominator = ops.sqrt(ops.maximum(product, 0))
    return (tp * tn - fp * fn) / (denominator + keras.backend.epsilon())


def _counts(y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
    """Returns the numbers of positive targets, of positive predictions, and of both."""
    y_true = ops.cast(y_true, y_pred.dtype)
    return tuple(
        ops.sum(ops.round(ops.clip(values, 0, 1))) for values in (y_true, y_pred, y_true * y_pred)
    )
