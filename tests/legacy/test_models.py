"""`compile`, constructors, layers and removed methods of models, after `install()`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata import legacy
from keras_bigdata.legacy.calling_script import set_default_keras_version
from tests.legacy.small_classifier import X, Y, classifier

T = Y[:, None].astype("float32")


def two_outputs(**arguments):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    outputs = [keras.layers.Dense(1, name=name)(inputs) for name in ("b", "a")]
    model = keras.Model(input=inputs, output=outputs)
    model.compile("sgd", "mse", run_eagerly=True, **arguments)
    return model


@pytest.mark.slow
def test_results_of_several_outputs_are_in_the_order_of_keras_2(installed):
    model = two_outputs(metrics={"a": ["mse", "mae"], "b": "mae"})
    names = [
        *("loss", "b_loss", "a_loss"),
        *("b_mean_absolute_error", "a_mean_squared_error", "a_mean_absolute_error"),
    ]
    assert model.metrics_names == names  # before the model has seen data
    figures = model.evaluate(X, [T, T], verbose=0, return_dict=True)
    expected = [figures[n] for n in ("loss", "b_loss", "a_loss", "b_mae", "a_mse", "a_mae")]
    assert model.evaluate(X, [T, T], verbose=0) == expected
    assert legacy.evaluate_generator(model, iter([(X, [T, T])]), 1) == pytest.approx(expected)
    assert model.test_on_batch(X, [T, T]) == pytest.approx(expected)
    assert model.metrics_names == names
    history = model.fit(X, [T, T], verbose=0).history
    assert history["a_mean_absolute_error"] == history["a_mae"]


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_metrics_in_one_list_belong_to_every_output(installed, count):
    metrics = ["mae", keras.metrics.MeanSquaredError(), "mape"][:count]
    if count == 2:
        with pytest.warns(UserWarning, match=r"pass metrics=\[\['mae'\], \[MeanSquaredError\]\]"):
            model = two_outputs(metrics=metrics)
    else:
        model = two_outputs(metrics=metrics)
    assert len(model.evaluate(X, [T, T + 1], verbose=0)) == len(model.metrics_names)
    assert len(model.metrics_names) == 3 + 2 * count
    assert model.metrics_names[3] == "b_mean_absolute_error"
    assert model.metrics_names[3 + count] == "a_mean_absolute_error"


@pytest.mark.slow
def test_loss_weights_of_one_loss(installed):
    # Keras 3 weights both outputs by the only value of the dict.
    for weights, expected in (({"b": 0.5}, (0.5, 1)), ([0.5, 2.0], (0.5, 2)), (None, (1, 1))):
        loss, b, a = two_outputs(loss_weights=weights).evaluate(X, [T, T], verbose=0)
        assert loss == pytest.approx(expected[0] * b + expected[1] * a, rel=1e-5)
    with pytest.raises(ValueError, match=r"not outputs of the model: \['c'\]"):
        two_outputs(loss_weights={"c": 1})


@pytest.mark.slow
def test_weights_of_classes_and_rows_of_several_outputs(installed):
    weights = np.where(Y, 3.0, 1.0)
    ones = np.ones(8)
    expected = two_outputs().train_on_batch(X, [T, T], sample_weight=[weights, ones])
    for arguments in (
        {"class_weight": {"b": {0: 1, 1: 3}}},
        {"sample_weight": {"b": weights}},
        {"sample_weight": [weights, None]},
    ):
        model = two_outputs()
        assert model.test_on_batch(X, [T, T])[0] > 0
        assert model.train_on_batch(X, [T, T], **arguments) == pytest.approx(expected)
        history = two_outputs().fit(X, [T, T], verbose=0, **arguments).history
        assert history["loss"] == pytest.approx([expected[0]])


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("count", [1, 2])
def test_targets_and_sample_weights_by_the_names_of_outputs(installed, count):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,), name="x")
    names = ["last", "first"][:count]  # not in alphabetical order
    outputs = [keras.layers.Dense(1, name=name)(inputs) for name in names]
    model = keras.Model(inputs, outputs if count > 1 else outputs[0])
    model.compile("sgd", {name: "mse" for name in names})
    y = {name: np.full((8, 1), value) for name, value in zip(names, (1.0, 5.0), strict=False)}
    weights = {name: np.linspace(0.5, 2, 8) for name in names}
    lists = [[part[name] for name in names] for part in (y, weights)]
    in_order = lists if count > 1 else [part[0] for part in lists]
    for method in (model.evaluate, model.test_on_batch):
        options = {"verbose": 0} if method == model.evaluate else {}
        np.testing.assert_allclose(method(X, y, **options), method(X, in_order[0], **options))
        by_name = method(X, y, sample_weight=weights, **options)
        expected = method(X, in_order[0], sample_weight=in_order[1], **options)
        np.testing.assert_allclose(by_name, expected)
    before = model.evaluate(X, y, verbose=0)
    model.fit(X, y, sample_weight=weights, validation_data=(X, y, weights), verbose=0)
    model.train_on_batch(X, y, sample_weight=weights)
    assert np.sum(model.evaluate(X, y, verbose=0)) < np.sum(before)


def test_arguments_of_compile(installed):
    model = classifier()
    loss = "sparse_categorical_crossentropy"
    with pytest.warns(UserWarning, match="`class_mode` has no effect"):
        model.compile("sgd", loss, ["accuracy"], class_mode="binary", sample_weight_mode=None)
    assert model.metrics_names == ["loss", "acc"]
    model.compile("sgd", loss, ["accuracy"], "temporal")
    model.compile("sgd", loss, None, ["acc"])  # the order of Keras 3
    assert model.metrics_names == ["loss", "acc"]
    both = two_outputs()
    both.compile("sgd", "mse", ["mae"], [0.5, 2.0])  # the order of Keras 2
    assert both.metrics_names[3:] == ["b_mean_absolute_error", "a_mean_absolute_error"]
    with pytest.raises(TypeError, match="`target_tensors` cannot be passed"):
        model.compile("sgd", loss, target_tensors=[X])
    with pytest.raises(TypeError, match="got 'metrics' twice"):
        model.compile("sgd", loss, ["acc"], metrics=["acc"])


def test_a_saved_model_is_compiled_when_it_is_loaded(tmp_path, installed):
    model = classifier(run_eagerly=True)
    model.evaluate(X, Y, verbose=0)
    model.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    both = two_outputs()
    copied = keras.Model.from_config(both.get_config())
    assert copied.output_names == ["b", "a"]


def test_models_of_keras_1_and_their_layers(installed):
    class Own(keras.Model):
        def __init__(self):
            inputs = keras.Input((3,))
            super().__init__(input=[inputs], output=[keras.layers.Dense(2)(inputs)], name="own")

    class Keras3(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.output_shape = "mine"

    model = Own()
    assert model.name == "own"
    assert model.predict(X).shape == (8, 2)
    assert [layer.output_shape for layer in model.layers] == [(None, 3), (None, 2)]
    assert model.layers[1].input_shape == (None, 3)
    assert model.output_shape == (None, 2)
    assert Keras3().output_shape == "mine"
    dense = model.layers[1]
    other = keras.Input((5, 3))
    assert dense.get_output_at(0) is dense.output
    dense(other)
    assert dense.get_output_shape_at(1) == (None, 5, 2)
    assert dense.get_input_at(1) is other
    # PyTorch replaces the message by its own.
    reason = "output_shape" if keras.backend.backend() == "torch" else "several output shapes"
    with pytest.raises(AttributeError, match=reason):
        dense.output_shape  # noqa: B018
    assert not hasattr(keras.layers.Dense(1), "output_shape")
    with pytest.raises(ValueError, match="was called 2 times"):
        dense.get_input_at(2)
    with pytest.raises(TypeError, match="got 'inputs' twice"):
        keras.Model(input=other, inputs=other, output=other)


@pytest.mark.slow
def test_a_model_of_one_input_and_one_output_in_lists(installed, tmp_path):
    class Own(keras.Model):
        def __init__(self):
            inputs = keras.Input((3,))
            super().__init__(inputs=[inputs], outputs=[keras.layers.Dense(2)(inputs)])

    inputs = keras.Input((3,), name="x")
    tensors = [inputs], [keras.layers.Dense(2)(inputs)]
    for model in (keras.Model(*tensors), keras.Model(input=tensors[0], output=tensors[1]), Own()):
        assert isinstance(model.input, keras.KerasTensor)
        assert model.inputs == [model.input]
        head = keras.Model([model.input], [keras.layers.Dense(1)(model.output)])
        assert head.predict([X], verbose=0).shape == (8, 1)
        assert model(keras.Input((3,))).shape == (None, 2)  # a tensor, and not a list of one
        assert keras.ops.shape(model(X)) == (8, 2)
        values = keras.backend.function([model.input], [model.output])([X])[0]
        np.testing.assert_allclose(values, model.predict(X, verbose=0), rtol=1e-6)
        assert model([keras.Input((3,))]).shape == (None, 2)
    model = keras.Model(*tensors)
    copied = keras.models.clone_model(model, input_tensors=[keras.Input((3,))])
    copied.set_weights(model.get_weights())
    np.testing.assert_allclose(copied.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.predict(X, verbose=0).shape == (8, 2)
    several = keras.Model(tensors[0], [tensors[1][0], keras.layers.Dense(1)(inputs)])
    assert [part.shape for part in several.predict([X], verbose=0)] == [(8, 2), (8, 1)]


def test_the_input_and_the_output_of_a_sequential_model(installed):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    hidden = keras.Model(inputs=model.input, outputs=model.layers[0].output)
    assert hidden.predict(X).shape == (8, 3)
    ends = keras.Model(model.input, model.output)
    np.testing.assert_array_equal(ends.predict(X), model.predict(X))
    model(keras.Input((3,)))  # a part of a larger model: the tensors are still its own
    assert model.input is ends.input
    assert model.output.shape == (None, 2)
    assert [tuple(layer.input.shape) for layer in model.layers] == [(None, 3), (None, 3)]
    with pytest.raises(AttributeError, match="is not built yet, so its output"):
        keras.Sequential([keras.layers.Dense(3)]).output  # noqa: B018
    model.pop()
    assert model.output.shape == (None, 3)


def test_a_layer_that_is_removed_from_the_list(installed):
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, name="features")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    assert model.layers.pop().units == 2
    features = keras.Model(input=model.input, output=model.layers[-1].output)
    assert features.predict(X).shape == (8, 4)
    assert model.predict(X).shape == (8, 2)  # as in Keras 2
    assert [layer.name for layer in model.layers][1:] == ["features"]
    with pytest.warns(UserWarning, match=r"Call `model.pop\(\)`"):
        classifier().layers.pop()


def test_names_that_keras_gave_to_layers(installed):
    keras.utils.clear_session()
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    first, second = model.layers[1:]
    assert model.get_layer("dense_2") is second  # only Keras 1 and 2 had this name
    assert model.get_layer("input_1") is model.layers[0]
    assert model.get_layer("dense", 2) is second
    with pytest.warns(UserWarning, match="Keras 1 and 2 counted from 1"):
        assert model.get_layer("dense_1") is second
    set_default_keras_version(1)
    try:
        assert model.get_layer("dense_1") is first
    finally:
        set_default_keras_version(2)


@pytest.mark.slow
def test_removed_methods(installed):
    model = classifier(run_eagerly=True)
    outputs = model.predict(X)
    np.testing.assert_array_equal(model.predict_classes(X, 4), outputs.argmax(axis=1))
    np.testing.assert_array_equal(model.predict_proba(X, verbose=0), outputs)
    one = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    one.set_weights([np.ones((3, 1)), -np.ones(1)])
    with pytest.warns(UserWarning, match="not between 0 and 1"):
        outputs = one.predict_proba(2 * X)
    classes = one.predict_classes(2 * X)
    np.testing.assert_array_equal(classes, outputs > 0.5)
    assert classes.shape == (8, 1)
    assert classes.dtype == "int32"
    with pytest.raises(RuntimeError, match="to_json"):
        model.to_yaml()
    assert not hasattr(keras.Model, "predict_classes")  # Keras had it on Sequential only
