"""Models and trainings with `keras.backend` after `install()`: old figures."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

ROWS = np.random.default_rng(0).random((10, 4)).astype("float32")
LABELS = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 1])  # integers of shape (rows,)


@pytest.fixture
def K(installed):
    return keras.backend


def small_model(*layers):
    inputs = keras.Input((4,))
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def test_outputs_of_layers_by_function(K):
    model = small_model(keras.layers.Dense(3, kernel_initializer="ones"), keras.layers.Dropout(0.5))
    hidden = K.function([model.input, K.learning_phase()], [model.layers[1].output, model.output])
    values, inference = hidden([ROWS, 0])
    np.testing.assert_allclose(values, np.tile(ROWS.sum(1, keepdims=True), 3), rtol=1e-5)
    np.testing.assert_array_equal(values, inference)
    assert (hidden([ROWS, 1])[1] == 0).any()
    mean = K.function([model.input], [K.mean(model.layers[1].output, axis=0)])([ROWS])[0]
    np.testing.assert_allclose(mean, values.mean(0), rtol=1e-5)
    single = K.function([model.input], model.output)([ROWS])
    assert isinstance(single, list)  # as Keras 2.2 did
    placeholder = K.placeholder((2, 3))
    assert K.is_placeholder(placeholder)
    total = K.function([placeholder], [K.sum(placeholder, axis=1)])([np.ones((2, 3))])
    np.testing.assert_array_equal(total[0], [3, 3])
    with pytest.raises(NotImplementedError, match="train_on_batch"):
        K.function([model.input], [model.output], updates=[1])
    with pytest.raises(ValueError, match="expected values for 2 inputs, got 1"):
        hidden([ROWS])


def test_the_number_of_elements_of_a_layer_that_is_known_with_the_data(K):
    model = keras.Sequential([keras.Input((None, None, 2)), keras.layers.MaxPooling2D()])
    x = model.layers[-1].output
    scaling = K.prod(K.cast(K.shape(x), "float32"))
    both = K.function([model.input], [K.sum(K.square(x)) / scaling, K.prod(K.shape(x))])
    mean, count = both([np.full((3, 8, 6, 2), 2.0)])
    assert (mean, count) == (4, 3 * 4 * 3 * 2)
    # As an argument it is a shape: its unknown size is what is left.
    assert K.reshape(x, (K.shape(x)[0], 4)).shape == (None, 4)
    assert K.int_shape(x) == tuple(K.shape(x)) == (None, None, None, 2)


def test_gradients_for_pictures(K):
    weights = np.array([[1.0], [2.0], [-3.0], [0.5]])
    model = small_model(keras.layers.Dense(1, use_bias=False))
    model.set_weights([weights])
    loss = K.mean(model.output)
    (gradient,) = K.gradients(loss, [model.input])
    gradient /= K.sqrt(K.mean(K.square(gradient))) + 1e-5
    value, normalized = K.function([model.input], [loss, gradient])([ROWS[:1]])
    np.testing.assert_allclose(value, ROWS[0] @ weights[:, 0], rtol=1e-5)
    np.testing.assert_allclose(
        normalized[0], weights[:, 0] / np.sqrt(np.mean(weights**2)), rtol=1e-4
    )
    # Of a layer in the middle, around which another path leads.
    inputs = keras.Input((4,))
    middle = keras.layers.Dense(4, name="middle")(inputs)
    top = keras.layers.Dense(1, use_bias=False)
    around = keras.Model(inputs, top(keras.layers.add([middle, inputs])))
    top.set_weights([weights])
    (gradient,) = K.gradients(around.output, middle)
    found = K.function([around.input], [gradient])([ROWS])[0]
    np.testing.assert_allclose(found, np.tile(weights[:, 0], (10, 1)), rtol=1e-5)
    with pytest.raises(NotImplementedError, match="GradientTape"):
        K.gradients(loss, model.trainable_weights)


def test_layers_called_in_a_learning_phase_stay_in_it(K):
    with pytest.warns(UserWarning, match="fixed in inference mode"):
        K.set_learning_phase(0)
    fixed = keras.layers.BatchNormalization()
    hidden = fixed(keras.Input((4,), name="data"))
    assert K.learning_phase() == 0
    K.clear_session()  # forgets the phase
    assert K.learning_phase() == 0  # that of inference
    free = keras.layers.BatchNormalization(name="free")
    model = keras.Model(keras.utils.get_source_inputs(hidden), free(hidden))
    model.compile("sgd", "mse")
    model.fit(ROWS, ROWS, verbose=0)
    np.testing.assert_array_equal(fixed.get_weights()[2], np.zeros(4))  # moving means
    assert np.abs(free.get_weights()[2]).min() > 0
    with pytest.raises(ValueError, match="expected 0 or 1, got 2"):
        K.set_learning_phase(2)


def test_in_train_phase_of_a_layer(K):
    class AddInTraining(keras.layers.Layer):
        def call(self, x):
            return K.in_train_phase(x + 1.0, x)

    model = small_model(AddInTraining(), keras.layers.Dense(4, kernel_initializer="identity"))
    model.compile(keras.optimizers.SGD(0.0), lambda true, out: K.mean(out - true, axis=-1))
    history = model.fit(ROWS, ROWS, verbose=0)
    np.testing.assert_allclose(history.history["loss"], [1.0], atol=1e-5)
    np.testing.assert_allclose(model.predict(ROWS, verbose=0), ROWS, rtol=1e-5)


@pytest.mark.slow
def test_custom_losses_and_metrics_give_the_old_figures(K):
    """Integers of shape (rows,) as targets of one output, as from `flow_from_directory`."""

    def dice(y_true, y_pred, smooth=1.0):
        true, predicted = K.flatten(y_true), K.flatten(y_pred)
        shared = K.sum(true * predicted)
        return (2.0 * shared + smooth) / (K.sum(true) + K.sum(predicted) + smooth)

    def dice_loss(y_true, y_pred):
        return 1 - dice(y_true, y_pred)

    def jaccard(y_true, y_pred):
        shared = K.sum(K.abs(y_true * y_pred), axis=-1)
        total = K.sum(K.abs(y_true) + K.abs(y_pred), axis=-1)
        return K.mean((shared + 1) / (total - shared + 1))

    def precision(y_true, y_pred):
        found = K.sum(K.round(K.clip(y_true * y_pred, 0, 1)))
        return found / (K.sum(K.round(K.clip(y_pred, 0, 1))) + K.epsilon())

    def recall(y_true, y_pred):
        found = K.sum(K.round(K.clip(y_true * y_pred, 0, 1)))
        return found / (K.sum(K.round(K.clip(y_true, 0, 1))) + K.epsilon())

    def f1(y_true, y_pred):
        p, r = precision(y_true, y_pred), recall(y_true, y_pred)
        return 2 * ((p * r) / (p + r + K.epsilon()))

    def focal(y_true, y_pred):
        p = K.clip(y_pred, K.epsilon(), 1 - K.epsilon())
        right = K.equal(y_true, 1)
        where = K.switch(right, p, 1 - p)
        return K.mean(-K.pow(1 - where, 2.0) * K.log(where), axis=-1)

    def weighted(y_true, y_pred):
        entropy = K.binary_crossentropy(y_true, y_pred)
        return K.mean((y_true * 3.0 + (1.0 - y_true)) * entropy)

    from keras.metrics import fmeasure

    model = small_model(
        keras.layers.Dense(1, activation="sigmoid", kernel_initializer="ones", use_bias=False)
    )
    old = [dice, jaccard, precision, recall, f1, focal, weighted, fmeasure]
    model.compile(keras.optimizers.SGD(0.0), dice_loss, metrics=old)
    logs = model.fit(ROWS - 0.5, LABELS, batch_size=10, verbose=0).history

    y = LABELS[:, None].astype(float)  # Keras 2 trained on this
    p = 1 / (1 + np.exp(-(ROWS.astype(float) - 0.5).sum(1, keepdims=True)))
    shared = (y * p).sum()
    found = np.round(y * p).sum()
    expected_precision, expected_recall = found / np.round(p).sum(), found / y.sum()
    where = np.where(y == 1, p, 1 - p)
    entropy = -np.log(where)
    expected = {
        "loss": 1 - (2 * shared + 1) / (y.sum() + p.sum() + 1),
        "dice": (2 * shared + 1) / (y.sum() + p.sum() + 1),
        "jaccard": np.mean((y * p + 1) / (y + p - y * p + 1)),
        "precision": expected_precision,
        "recall": expected_recall,
        "f1": 2 * expected_precision * expected_recall / (expected_precision + expected_recall),
        "focal": np.mean((1 - where) ** 2 * entropy),
        "weighted": np.mean((2 * y + 1) * entropy),
    }
    expected["fmeasure"] = expected["f1"]
    assert 0 < expected["precision"] < 1
    assert {name: pytest.approx(logs[name][0], rel=1e-4) for name in expected} == expected


@pytest.mark.slow
def test_metrics_of_keras_3_get_what_they_got_before(installed):
    from keras import ops

    seen = {}

    def helper(y_true):
        return ops.cast(y_true, "float32")

    def new_style(y_true, y_pred):
        seen["new"] = tuple(y_true.shape)
        return ops.mean(ops.abs(helper(y_true) - ops.squeeze(y_pred, -1)))

    model = small_model(keras.layers.Dense(1))
    model.compile("sgd", "mse", metrics=[new_style])
    model.evaluate(ROWS, LABELS, verbose=0)
    assert len(seen["new"]) == 1


def test_what_explains_itself_does_so_when_it_is_used(K):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from keras.backend import local_conv2d
        from keras.models import Graph, model_from_yaml
    for removed, hint in (
        (local_conv2d, "no equivalent"),
        (model_from_yaml, "removed from Keras 3"),
        (Graph, "Graph was removed"),
    ):
        with pytest.raises(NotImplementedError, match=hint):
            removed(1)
        with pytest.raises(NotImplementedError, match=hint):
            _ = removed.attribute
        with pytest.raises(NotImplementedError, match=hint):
            type("Mine", (removed,), {})
        assert not isinstance(1, removed)


def test_inputs_with_values(installed):
    """As the masks of a picture: `Input(tensor=...)`, and `K.function` of the other inputs."""
    from keras import backend as K

    image = K.placeholder((1, 4, 4, 1))
    values = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    mask = keras.layers.Input(tensor=K.variable(values), shape=(None, None, 1), name="mask")
    assert mask.shape == (1, 4, 4, 1)
    pooled = keras.Model(mask, keras.layers.AveragePooling2D()(mask)).output
    loss = K.sum(K.square(keras.layers.AveragePooling2D()(image)) * pooled)
    compute = K.function([image], [loss, *K.gradients(loss, image)])
    loss, gradient = compute([np.ones((1, 4, 4, 1))])
    assert loss == pytest.approx(np.mean(values) * 4)
    means = values[0, :, :, 0].reshape(2, 2, 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(
        gradient[0, :, :, 0], np.kron(means, np.ones((2, 2))) * 2 / 4, rtol=1e-5
    )
    assert keras.Input((3,)).shape == (None, 3)
