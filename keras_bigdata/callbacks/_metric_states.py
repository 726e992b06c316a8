"""One result over several datasets, from the states of the metrics after each of them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_bigdata.keras_internals.callbacks import compiled_metrics, is_keras_metric


class MetricStateSum:
    """Sums the states of a model's metrics over evaluations, in float64.

    The states of all metrics of Keras are sums over samples or batches (counts, totals, confusion
    matrices), so the metric of the summed states is the metric of all the data. An average of
    results is not. Whether the states of metrics of other classes can be summed is unknown.
    """

    def __init__(self) -> None:
        self._sums: list[Any] | None = None

    def add(self, model: Any) -> None:
        """Adds the states of the metrics after the last `evaluate`."""
        states = [
            keras.ops.convert_to_numpy(variable).astype("float64")
            for variable in _summable_variables(model)
        ]
        if self._sums is None:
            self._sums = states
        else:
            self._sums = [total + state for total, state in zip(self._sums, states, strict=True)]

    def result(self, model: Any) -> dict[str, Any]:
        """Returns the results of the sums, and resets the model's metrics."""
        for variable, total in zip(_summable_variables(model), self._sums or (), strict=True):
            is_integer = variable.dtype.startswith(("int", "uint"))
            variable.assign(np.rint(total).astype(variable.dtype) if is_integer else total)
        results = {name: to_python(value) for name, value in model.get_metrics_result().items()}
        model.reset_metrics()
        return dict(sorted(results.items()))


def custom_metric_names(model: Any) -> set[str]:
    """Returns the names in the logs of metrics whose class is not a class of Keras."""
    names: set[str] = set()
    for metric in model.metrics:
        parts = compiled_metrics(metric)
        if parts is not None:
            results = list(metric.result())
            custom = [not is_keras_metric(part) for part in parts]
            if len(results) == len(parts):
                names.update(
                    name for name, is_custom in zip(results, custom, strict=True) if is_custom
                )
            elif any(custom):  # it is unknown which result belongs to which metric
                names.update(results)
            continue
        result = metric.result()
        if isinstance(result, dict):  # a custom class, or a group whose metrics are not accessible
            names.update(result)
        elif not is_keras_metric(metric):
            names.add(metric.name)
    return names


def to_python(value: Any) -> Any:
    """Returns a float, or an array if a metric has several values."""
    array = keras.ops.convert_to_numpy(value)
    return float(array.reshape(())) if array.size == 1 else array


def _summable_variables(model: Any) -> list[Any]:
    variables: dict[int, Any] = {}
    for metric in model.metrics:
        parts = compiled_metrics(metric)
        for part in (metric,) if parts is None else parts:
            if is_keras_metric(part):
                variables.update((id(variable), variable) for variable in part.variables)
    return list(variables.values())
