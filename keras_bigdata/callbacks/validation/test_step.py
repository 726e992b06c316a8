"""Whether the results of a custom `test_step` are results over all batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_bigdata.callbacks.validation.metric_states import metrics_by_result
from keras_bigdata.keras_internals.callbacks import metrics_not_reset

_Evaluate = Callable[[keras.utils.PyDataset], dict[str, Any]]


def figures_of_one_batch(model: Any, dataset: Any, evaluate: _Evaluate) -> list[str]:
    """Returns the names of the results of `evaluate` that are not results over all batches.

    `evaluate` reports what `test_step` returned for the last batch. That is right for the results
    of metrics, whose states it has updated with all batches, and wrong for the loss of the batch.
    If the names are those of the model's metrics, Keras reports the metrics instead, which stay at
    0 if `test_step` does not update them.

    Two batches are evaluated. A number that is different for the second batch, but does not depend
    on the states of the metrics, is that of one batch.

    Args:
        model: the model, which has been evaluated before.
        dataset: a dataset that `evaluate` takes.
        evaluate: evaluates a dataset, and returns the results by name.
    """
    if not _has_own_test_step(model):
        return []
    batches = _two_batches(dataset)
    if len(batches) < 2:
        return []  # the figure of the only batch is that of all
    # The generators of layers, so that each evaluation draws the same numbers.
    seeds = [(v, np.array(keras.ops.convert_to_numpy(v))) for v in model.non_trainable_variables]
    try:
        first = evaluate(_OneBatch(batches[0]))
        _restore(seeds)
        second = evaluate(_OneBatch(batches[1]))
        ignored = _not_updated(model, second)
        _restore(seeds)
        _perturb(model)
        with metrics_not_reset(model):
            perturbed = evaluate(_OneBatch(batches[1]))
    finally:
        _restore(seeds)
        model.reset_metrics()
    plain = [
        name
        for name, value in second.items()
        if not _equal(value, first.get(name)) and _equal(value, perturbed.get(name))
    ]
    return sorted({*plain, *ignored})


def describe_figures_of_one_batch(names: list[str]) -> str:
    """Returns a message that a `test_step` must return results of metrics."""
    listed = ", ".join(map(repr, names))
    return (
        f"`test_step` of the model returns {listed}, which Keras does not report for all batches: "
        "not the result of a metric that `test_step` updates, but a number of the last batch, or a "
        "metric of that name that stays at 0. Update a metric and return its result: "
        '`self.tracker.update_state(loss)`, `return {"loss": self.tracker.result()}`, where '
        "`self.tracker = keras.metrics.Mean()` is made in `__init__`."
    )


class _OneBatch(keras.utils.PyDataset):
    def __init__(self, batch: Any) -> None:
        super().__init__()
        self._batch = batch

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return self._batch


def _has_own_test_step(model: Any) -> bool:
    return getattr(model.test_step, "__func__", None) is not keras.Model.test_step


def _two_batches(dataset: Any) -> list[Any]:
    if isinstance(dataset, keras.utils.PyDataset):
        return [dataset[index] for index in range(min(2, dataset.num_batches or 0))]
    return list(dataset.take(2))


def _not_updated(model: Any, results: dict[str, Any]) -> set[str]:
    """Returns the results that are of metrics whose states the last `evaluate` did not change."""
    metrics = {name: m for name, m in metrics_by_result(model).items() if name in results}
    after = {name: _values(metric.variables) for name, metric in metrics.items()}
    model.reset_metrics()
    return {
        name
        for name, metric in metrics.items()
        if after[name] and all(map(_equal, after[name], _values(metric.variables)))
    }


def _perturb(model: Any) -> None:
    """Changes the states of all metrics, each in a different way, so that ratios change too."""
    for number, variable in enumerate(model.metrics_variables, 1):
        value = keras.ops.convert_to_numpy(variable).astype("float64")
        changed = value * (1.25 + 0.125 * number) + number
        variable.assign(changed.astype(variable.dtype))


def _values(variables: list[Any]) -> list[Any]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _restore(variables: list[tuple[Any, Any]]) -> None:
    for variable, value in variables:
        variable.assign(value)


def _equal(left: Any, right: Any) -> bool:
    try:
        return bool(np.array_equal(left, right, equal_nan=True))
    except TypeError:  # not numbers
        return bool(np.array_equal(left, right))
