"""Stand-ins of removed classes work as the classes did."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest


def test_hdf5_matrix(tmp_path, installed):
    from keras.utils.io_utils import HDF5Matrix

    path = str(tmp_path / "data.h5")
    rows = np.arange(24).reshape(12, 2)
    with h5py.File(path, "w") as file:
        file["x"] = rows
    x = HDF5Matrix(path, "x", start=2, end=10, normalizer=lambda part: part / 2.0)
    assert (len(x), x.shape, x.ndim, x.size, x.dtype) == (8, (8, 2), 2, 16, np.dtype(float))
    np.testing.assert_array_equal(x[0], rows[2] / 2)
    np.testing.assert_array_equal(x[1:4], rows[3:6] / 2)
    np.testing.assert_array_equal(x[[0, 3, 7]], rows[[2, 5, 9]] / 2)
    np.testing.assert_array_equal(x[np.array([1, 2])], rows[[3, 4]] / 2)
    for key in (8, [1, 8], slice(0, 9)):
        with pytest.raises(IndexError, match="row 8 is out of range: it has 8 rows"):
            x[key]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    np.testing.assert_allclose(
        model.predict(x, verbose=0), model.predict(rows[2:10] / 2.0, verbose=0), rtol=1e-5
    )


def test_recurrent_layers_of_cudnn(installed):
    from keras.layers import CuDNNGRU, CuDNNLSTM

    lstm = keras.layers.LSTM(3, recurrent_activation="sigmoid")
    gru = keras.layers.GRU(3, recurrent_activation="sigmoid", reset_after=True)
    for layer, same in ((CuDNNLSTM(3), lstm), (CuDNNGRU(3), gru)):
        for one in (layer, same):
            one.build((None, 4, 2))
        weights = [np.random.default_rng(n).random(w.shape) for n, w in enumerate(same.weights)]
        same.set_weights(weights)
        bias = weights[2]
        if bias.ndim == 1:  # in Keras 2 the LSTM had a bias of the inputs and one of the state
            bias = np.concatenate([bias - 0.25, np.full_like(bias, 0.25)])
        layer.set_weights([*weights[:2], bias.ravel()])
        x = np.random.default_rng(3).random((2, 4, 2)).astype("float32")
        np.testing.assert_allclose(layer(x), same(x), rtol=1e-5)


def build(units=2, rate=0.1):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units, activation="softmax")])
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy", metrics=["accuracy"])
    return model


def build_regressor():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.slow
def test_wrappers_for_scikit_learn(installed):
    from keras.wrappers.scikit_learn import KerasClassifier, KerasRegressor

    x = np.random.default_rng(0).random((40, 2)).astype("float32")
    y = np.where(x[:, 0] > x[:, 1], "more", "less")
    classifier = KerasClassifier(build_fn=build, nb_epoch=40, batch_size=8, verbose=0, rate=0.2)
    assert classifier.get_params() == {
        **{"nb_epoch": 40, "batch_size": 8, "verbose": 0, "rate": 0.2},
        "build_fn": build,
    }
    history = classifier.fit(x, y)
    assert len(history.history["loss"]) == 40
    assert classifier.score(x, y) > 0.9
    assert set(classifier.predict(x)) == {"less", "more"}
    assert classifier.predict_proba(x).shape == (40, 2)
    assert classifier.set_params(rate=0.3).get_params()["rate"] == 0.3
    with pytest.raises(ValueError, match="colour is not a legal parameter"):
        KerasClassifier(build, colour=3)
    regressor = KerasRegressor(build_regressor, epochs=1, verbose=0)
    regressor.fit(x, x[:, 0])
    assert regressor.predict(x).shape == (40,)
    difference = regressor.predict(x) - x[:, 0]
    assert regressor.score(x, x[:, 0]) == pytest.approx(-np.mean(difference**2), rel=1e-4)


def test_a_model_for_several_gpus_trains_on_one(installed):
    from keras.utils import multi_gpu_model

    model = build()
    with pytest.warns(UserWarning, match="trained on one device"):
        assert multi_gpu_model(model, gpus=2) is model


def test_small_functions(installed):
    from keras.utils.conv_utils import conv_output_length, normalize_tuple
    from keras.utils.generic_utils import has_arg, to_list
    from keras.utils.np_utils import probas_to_classes

    lengths = [conv_output_length(10, 3, padding, 2) for padding in ("valid", "same", "full")]
    assert lengths == [4, 5, 6]
    assert conv_output_length(10, 3, "valid", 1, dilation=2) == 6
    assert normalize_tuple(2, 3, "kernel_size") == (2, 2, 2)
    with pytest.raises(ValueError, match="strides argument must be a tuple of 2"):
        normalize_tuple((1, 2, 3), 2, "strides")
    assert (to_list(3), has_arg(build, "rate"), has_arg(build, "x")) == ([3], True, False)
    assert probas_to_classes([[0.2, 0.8], [0.9, 0.1]]).tolist() == [1, 0]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="sessions are TensorFlow's")
def test_sessions_compute_and_nothing_else(installed):
    import tensorflow as tf
    from keras import backend as K

    config = tf.ConfigProto()
    config.gpu_options.allow_growth = True
    with pytest.warns(UserWarning, match="no sessions"):
        session = tf.Session(config=config)
    with session:
        K.set_session(session)
        assert K.get_session() is session
        session.run(tf.global_variables_initializer())
        with tf.get_default_graph().as_default(), session.as_default():
            model = build()
            x = np.ones((1, 2), "float32")
            feed = {model.inputs[0]: x, K.learning_phase(): 0}
            np.testing.assert_allclose(
                session.run([model.outputs[0], tf.constant(3.0)], feed_dict=feed)[0],
                model.predict(x, verbose=0),
                rtol=1e-5,
            )
    with pytest.raises(NotImplementedError, match=r"keras\.Input"):
        tf.placeholder(tf.float32)
    assert float(tf.log(1.0)) == 0.0


def test_shapes_of_images_of_a_model(installed):
    from keras.applications.imagenet_utils import _obtain_input_shape as shape_of

    arguments = {"default_size": 32, "min_size": 8, "data_format": "channels_last"}
    assert shape_of(None, **arguments, require_flatten=True) == (32, 32, 3)
    assert shape_of(None, **arguments, require_flatten=False) == (None, None, 3)
    assert shape_of((16, 9, 1), **arguments, require_flatten=True) == (16, 9, 1)
    assert shape_of((3, 16, 16), 32, 8, dim_ordering="th", include_top=False) == (3, 16, 16)
    assert shape_of((3, None, 16), 32, 8, "channels_first", False) == (3, None, 16)
    assert shape_of(None, 224, 48, "channels_first", True, weights="imagenet") == (3, 224, 224)
    with pytest.warns(UserWarning, match="1 or 3 channels"):
        assert shape_of((16, 16, 4), **arguments, require_flatten=True) == (16, 16, 4)
    for shape, flatten, weights, match in (
        ((7, 16, 3), True, None, "at least 8x8"),
        ((None, 16, 3), True, None, "of a known size"),
        ((16, 3), True, None, "three numbers"),
        ((16, 16, 1), False, "imagenet", "three channels"),
        ((16, 16, 3), True, "imagenet", r"have the shape \(32, 32, 3\)"),
    ):
        with pytest.raises(ValueError, match=match):
            shape_of(shape, **arguments, require_flatten=flatten, weights=weights)
