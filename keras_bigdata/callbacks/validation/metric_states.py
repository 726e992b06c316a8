"""One result over several datasets, from the states of the metrics after each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

    def add(self, model: Any, factor: float = 1.0) -> None:
        """Adds the states of the metrics after the last `evaluate`, times a factor."""
        states = [
            factor * keras.ops.convert_to_numpy(variable).astype("float64")
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
        flat = _flat(model.get_metrics_result())
        results = {name: to_python(value) for name, value in sorted(flat.items())}
        model.reset_metrics()
        return results


def custom_metric_names(model: Any) -> set[str]:
    """Returns the names in the logs of metrics whose class is not a class of Keras."""
    return {
        name
        for names, metrics, is_group in _named_metrics(model)
        if is_group or not all(map(is_keras_metric, metrics))
        for name in names
    }


def metrics_by_result(model: Any) -> dict[str, Any]:
    """Returns the metrics of a model by the names of their results, as far as they are known."""
    return {
        name: metrics[0]
        for names, metrics, _ in _named_metrics(model)
        if len(metrics) == 1
        for name in names
    }


def _named_metrics(model: Any) -> Iterator[tuple[list[str], list[Any], bool]]:
    """Yields names in the logs, the metrics that they may belong to, and whether that is a group.

    A metric with a dict as result is a group: a custom class, or metrics that are not accessible.
    """
    for metric in model.metrics:
        result, parts = metric.result(), compiled_metrics(metric)
        if parts is None:
            is_group = isinstance(result, Mapping)
            yield list(_flat(result if is_group else {metric.name: result})), [metric], is_group
        elif len(result) == len(parts):
            for (name, value), part in zip(result.items(), parts, strict=True):
                yield list(_flat({name: value})), [part], False
        else:  # it is unknown which result belongs to which metric
            yield list(_flat(result)), parts, False


def _flat(results: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all results in one dict: a metric may return a dict of several, as in `evaluate`."""
    flat: dict[str, Any] = {}
    for name, value in results.items():
        flat.update(value if isinstance(value, Mapping) else {name: value})
    return flat


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
