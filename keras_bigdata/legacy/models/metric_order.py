"""The results of `evaluate` and their names, as Keras 1 and 2 had them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import compiled_metric_names
from keras_bigdata.legacy.metric_names import metric_alias
from keras_bigdata.legacy.models.added_metrics import added_names
from keras_bigdata.legacy.models.model_tensors import output_names
from keras_bigdata.legacy.patching import replace
from keras_bigdata.old_keras.metric_groups import METRIC_GROUPS


def install() -> None:
    """Makes `metrics_names` the names of the results of `evaluate`."""
    former = keras.Model.metrics_names

    def metrics_names(model: Any) -> list[str]:
        names = logged_names(model)
        return former.fget(model) if names is None else [_old_name(name) for name in names]

    replace(keras.Model, "metrics_names", property(metrics_names))


def logged_names(model: Any) -> list[str] | None:
    """Returns the names of all results in the order of Keras 2, or `None` if they are not known.

    The total loss is followed by the losses of the outputs, if there are several, and by the
    metrics of the first output, of the second, and so on.
    """
    by_output = compiled_metric_names(model)
    if by_output is None:
        return None
    outputs = output_names(model)
    names = ["loss"]
    if len(outputs) > 1:
        names += [f"{name}_loss" for name in outputs]
    for output, metric in by_output:
        name = metric if output is None else f"{output}_{metric}"
        number = 1
        unique = name
        while unique in names:
            unique = f"{name}_{number}"
            number += 1
        names.append(unique)
    return names + added_names(model)


def in_old_order(model: Any, results: Mapping[str, Any]) -> Any:
    """Returns the results of `evaluate` as Keras 2 did.

    Args:
        model: the model.
        results: the results by their names.

    Returns:
        The loss, if it is the only result; otherwise a list, in the order of `metrics_names`.
        Results of another origin, such as a custom `test_step`, follow.
    """
    names = [name for name in logged_names(model) or ["loss"] if name in results]
    values = [results[name] for name in names]
    values += [value for name, value in results.items() if name not in names]
    return values[0] if len(values) == 1 else values


def _old_name(name: str) -> str:
    """Returns the name under which Keras 2.2 logged a metric."""
    for group in METRIC_GROUPS:
        for other in group[1:]:
            if name == other or name.endswith(f"_{other}"):
                return metric_alias(name) or name
    return name
