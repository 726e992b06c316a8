"""Metrics that releases of Keras log under different names."""

from __future__ import annotations

# Keras before 2.3 logged a metric under the first name of its group, whichever `compile` received.
# Keras 3 logs it under the name that `compile` received.
METRIC_GROUPS: tuple[tuple[str, ...], ...] = (
    ("acc", "accuracy", "Accuracy"),
    ("mean_absolute_error", "mae", "MAE"),
    ("mean_squared_error", "mse", "MSE"),
    ("mean_absolute_percentage_error", "mape", "MAPE"),
    ("mean_squared_logarithmic_error", "msle", "MSLE"),
)
