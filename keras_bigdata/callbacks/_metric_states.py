"""One result over several sets from the states that the metrics had after each of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np


class StateSum:
    """Sums the states of a model's metrics over evaluations, in float64.

    The states of all of Keras's own metrics are sums over samples or batches (counts, totals,
    confusion matrices), so the metric of their sum is the metric of all the data. This is not so
    for an average of results, and not known for metrics of other classes.
    """

    def __init__(self) -> None:
        self._sums: list[Any] | None = None

    def add(self, model: Any) -> None:
        """Adds the states as an `evaluate` has left them."""
        states = [
            keras.ops.convert_to_numpy(variable).astype("float64")
            for variable in _summable_variables(model)
        ]
        if self._sums is None:
            self._sums = states
        else:
            self._sums = [total + state for total, state in zip(self._sums, states, strict=True)]

    def result(self, model: Any) -> dict[str, Any]:
        """The results of the sums. Resets the model's metrics."""
        for variable, total in zip(_summable_variables(model), self._sums or (), strict=True):
            whole = variable.dtype.startswith(("int", "uint"))
            variable.assign(np.rint(total).astype(variable.dtype) if whole else total)
        results = {name: as_python(value) for name, value in model.get_metrics_result().items()}
        model.reset_metrics()
        return dict(sorted(results.items()))


def results_of_other_classes(model: Any) -> set[str]:
    """Names in the logs of metrics whose class is not Keras's own."""
    names: set[str] = set()
    for metric in model.metrics:
        if _is_group(metric):
            results = list(metric.result())
            parts = metric.metrics
            if len(results) != len(parts):  # then it is not known which is whose
                names.update(results if any(not _is_keras(part) for part in parts) else ())
                continue
            names.update(
                name for name, part in zip(results, parts, strict=True) if not _is_keras(part)
            )
        elif not _is_keras(metric):
            result = metric.result()
            names.update(result if isinstance(result, dict) else (metric.name,))
    return names


@contextlib.contextmanager
def metrics_kept(model: Any) -> Iterator[None]:
    """Within the block `evaluate` goes on from the metrics' states instead of from zero."""
    # The only way that includes what a metric keeps outside its variables.
    model.reset_metrics = lambda: None
    try:
        yield
    finally:
        del model.reset_metrics


def as_python(value: Any) -> Any:
    """A float, or an array if a metric has several values."""
    array = keras.ops.convert_to_numpy(value)
    return float(array.reshape(())) if array.size == 1 else array


def _summable_variables(model: Any) -> list[Any]:
    variables: dict[int, Any] = {}
    for metric in model.metrics:
        for part in metric.metrics if _is_group(metric) else (metric,):
            if _is_keras(part):
                variables.update((id(variable), variable) for variable in part.variables)
    return list(variables.values())


def _is_group(metric: Any) -> bool:
    """Whether it holds the metrics given to `compile`."""
    return _is_keras(metric) and hasattr(metric, "metrics")


def _is_keras(metric: Any) -> bool:
    return type(metric).__module__.split(".")[0] == "keras"
