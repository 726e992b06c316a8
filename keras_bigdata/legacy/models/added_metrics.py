"""`add_metric` of models and of layers, which Keras 3 refuses.

A value is computed when the model or the layer is called, and added to a mean when the metrics of
the step are computed. So a call outside a step, such as `predict`, changes no figure.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Mapping
from typing import Any

import keras

from keras_bigdata.keras_internals.layers import all_layers
from keras_bigdata.keras_internals.legacy import functional_class
from keras_bigdata.legacy.patching import replace, wrap

# Model or layer -> name -> mean. Attributes of a model would be saved with it.
_means: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()

# Model or layer -> name -> value of the last call.
_values: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()

# Model -> name -> model from its inputs to the value.
_symbolic: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()


def install() -> None:
    """Adds `add_metric`, and the metrics that it adds to those of the model."""
    replace(keras.Layer, "add_metric", add_metric)  # that of Keras 3 raises an error
    wrap(keras.Model, "compute_metrics", _updating_means)
    former = keras.Model.metrics
    replace(keras.Model, "metrics", property(lambda model: former.fget(model) + _added(model)))
    replace(keras.Model, "metrics_tensors", property(_refuse_metrics_tensors))
    functional = functional_class()
    if functional is not None:
        wrap(functional, "call", _computing_values)


def add_metric(
    self: Any, value: Any, name: str | None = None, aggregation: str | None = None, **_: Any
) -> None:
    """Adds the mean of a value over the batches of an epoch to the metrics.

    Args:
        self: a model with inputs, or a layer that calls this in its `call`.
        value: a symbolic tensor of the model, or the tensor of a batch.
        name: name of the metric.
        aggregation: `"mean"`; `None` for the result of a metric that the layer has as an attribute,
            which Keras 3 logs without this call.
    """
    if keras.backend.backend() == "jax":
        raise NotImplementedError(
            f"add_metric(name={name!r}): on JAX the value of a layer cannot leave its `call`. Run "
            "the script on TensorFlow: KERAS_BACKEND=tensorflow."
        )
    means = _means.setdefault(self, {})
    is_symbolic = isinstance(value, keras.KerasTensor)
    logged = () if is_symbolic or name in means else (None, *(each.name for each in self.metrics))
    if name in logged:
        return  # the result of a metric of the layer
    if not isinstance(name, str):
        raise ValueError("add_metric: pass a name, as add_metric(value, name='kl', ...).")
    if is_symbolic:
        _symbolic.setdefault(self, {})[name] = keras.Model(self.inputs, value)
    else:
        _values.setdefault(self, {})[name] = value
    if name not in means:
        means[name] = keras.metrics.Mean(name=name)


def added_names(model: Any) -> list[str]:
    """Returns the names of the metrics that `add_metric` added to a model and its layers."""
    return [mean.name for mean in _added(model)]


def _refuse_metrics_tensors(model: Any) -> None:
    raise AttributeError(
        f"{model.name}.metrics_tensors is not in Keras 3. Instead of "
        "model.metrics_tensors.append(tensor) and model.metrics_names.append('kl'), write "
        "model.add_metric(tensor, name='kl', aggregation='mean')."
    )


def _added(model: Any) -> list[Any]:
    return [mean for layer in all_layers(model) for mean in _means.get(layer, {}).values()]


def _updating_means(compute_metrics: Any) -> Any:
    @functools.wraps(compute_metrics)
    def update_means(self: Any, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        for layer in all_layers(self):
            for name, value in _values.pop(layer, {}).items():
                _means[layer][name].update_state(value)
        result: Mapping[str, Any] = compute_metrics(self, *args, **kwargs)
        return result

    return update_means


def _computing_values(call: Any) -> Any:
    @functools.wraps(call)
    def call_and_compute(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = call(self, inputs, *args, **kwargs)
        models = _symbolic.get(self, {})
        is_symbolic = any(isinstance(t, keras.KerasTensor) for t in keras.tree.flatten(inputs))
        if models and not is_symbolic:
            training = kwargs.get("training", args[0] if args else None)
            values = {name: model(inputs, training=training) for name, model in models.items()}
            _values[self] = values
        return outputs

    return call_and_compute
