"""What `keras_internals/legacy.py` finds in Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.keras_internals.layers import all_layers
from keras_bigdata.keras_internals.legacy import (
    called_dataset_constructor,
    compiled_metric_names,
    copies_of,
    current_training_argument,
    functional_class,
    merging_method,
    module_with_get,
    node_tensors,
    order_own_variables,
)


def test_datasets_that_called_their_constructor():
    class New(keras.utils.PyDataset):
        pass

    class Old(keras.utils.PyDataset):
        def __init__(self):
            pass

    assert called_dataset_constructor(New())
    assert not called_dataset_constructor(Old())
    assert not called_dataset_constructor([])


def test_models_of_inputs_and_outputs_and_the_calls_of_their_layers():
    inputs = keras.Input((3,))
    dense = keras.layers.Dense(2)
    assert node_tensors(dense, "output") == []
    outputs = dense(inputs)
    model = keras.Model(inputs, outputs)
    assert type(model) is functional_class()
    assert "layers" in vars(functional_class())
    assert "layers" in vars(keras.Sequential)
    assert node_tensors(dense, "input") == [[inputs]]
    assert node_tensors(dense, "output") == [[outputs]]


def test_variables_of_a_layer_are_ordered_and_frozen():
    layer = keras.layers.Layer()
    created = [
        layer.add_weight(shape=(), name=name, trainable=trainable)
        for name, trainable in (("a", True), ("b", False), ("c", True))
    ]
    other = keras.layers.Dense(1)
    other.build((None, 1))
    order_own_variables(layer, [created[1], created[0], other.kernel], [created[2]])
    assert [weight.name for weight in layer.weights] == ["b", "a", "c"]
    for weight in created:
        weight.trainable = True
    layer.trainable = False
    assert [weight.trainable for weight in created] == [False, False, True]


def test_names_of_metrics_before_a_model_has_seen_data():
    inputs = keras.Input((3,))
    one = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    assert compiled_metric_names(one) is None
    one.compile("sgd", "mse")
    assert compiled_metric_names(one) == []
    one.compile("sgd", "mse", metrics=["mae"], weighted_metrics=[keras.metrics.MeanSquaredError()])
    assert compiled_metric_names(one) == [(None, "mae"), (None, "mean_squared_error")]
    layers = [keras.layers.Dense(1, name=name) for name in ("b", "a")]
    two = keras.Model(inputs, [layer(inputs) for layer in layers])
    two.compile("sgd", "mse", metrics={"a": ["mae", "mse"], "b": "mae"})
    assert compiled_metric_names(two) == [("b", "mae"), ("a", "mae"), ("a", "mse")]
    two.compile("sgd", "mse", metrics=[["mae"], None])
    assert compiled_metric_names(two) == [("b", "mae")]


def test_compile_is_defined_where_loading_looks_for_it():
    # `compile_from_config` compares `compile` of the class of a model with that of `Trainer`.
    owner = next(each for each in keras.Model.__mro__ if "compile" in vars(each))
    assert owner.__name__ == "Trainer"
    with pytest.raises(TypeError, match="reset_metrics"):
        keras.Model.train_on_batch(None, None, reset_metrics=False)


def test_all_layers_come_before_those_that_they_contain():
    inner = keras.Sequential([keras.Input((4, 2)), keras.layers.Bidirectional(keras.layers.GRU(1))])
    outer = keras.Sequential([keras.Input((4, 2)), inner])
    layers = all_layers(outer)
    bidirectional = inner.layers[0]
    order = [outer, inner, bidirectional, bidirectional.forward_layer]
    positions = [next(n for n, layer in enumerate(layers) if layer is one) for one in order]
    assert positions == sorted(positions)


def test_layers_ask_one_function_for_names(monkeypatch):
    for name in ("activations", "constraints", "initializers", "regularizers"):
        monkeypatch.setattr(module_with_get(name), "get", lambda identifier: abs)
    assert keras.layers.Activation("relu").activation is abs
    layer = keras.layers.Dense(1, "relu", kernel_constraint="max_norm", bias_regularizer="l1")
    assert layer.activation is layer.kernel_constraint is layer.bias_regularizer is abs
    assert layer.kernel_initializer is abs


def test_the_argument_training_of_the_layer_that_is_called():
    seen = []

    class Inner(keras.layers.Layer):
        def call(self, x):
            seen.append(current_training_argument())
            return x

    class Outer(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def call(self, x, training=None):
            return self.inner(x)

    outer = Outer()
    x = keras.ops.ones((1, 2))
    outer(x, training=True)
    outer(x, training=False)
    outer(x)
    assert seen[-3:] == [True, False, None]
    assert current_training_argument() is None


def test_the_copies_of_a_module():
    copies = copies_of("layers")
    assert keras.layers in copies
    assert len({id(copy) for copy in copies}) == len(copies)
    assert all(copy.Dense is keras.layers.Dense for copy in copies)
    assert len(copies) >= (3 if keras.backend.backend() == "tensorflow" else 2)
    assert copies_of("no_such_module") == []


def test_the_method_that_joins_inputs_of_a_merging_layer(monkeypatch):
    layers = (keras.layers.Multiply, keras.layers.Maximum, keras.layers.Minimum)
    for layer in layers:
        name = merging_method(layer)
        monkeypatch.setattr(layer, name, lambda self, inputs: inputs[0] - inputs[1])
        np.testing.assert_array_equal(layer()([np.ones((2, 3)), np.ones((2, 3))]), 0)
    assert merging_method(keras.layers.Dense) is None
