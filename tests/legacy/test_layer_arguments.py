"""Layers with the arguments of Keras 1."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

from keras_bigdata import legacy
from keras_bigdata.keras_internals.legacy import tf_keras_module
from keras_bigdata.legacy import calling_script, patching
from keras_bigdata.legacy.layers import hard_sigmoid

pytestmark = [
    pytest.mark.usefixtures("installed"),
    pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`"),
]


@pytest.fixture
def keras_1(monkeypatch):
    monkeypatch.setattr(calling_script, "_default_keras_version", [1])


def output_shape(layer, *shape):
    return tuple(layer.compute_output_shape((None, *shape)))


def layers():
    return keras.layers


# The output shapes are those that `get_output_shape_for` of Keras 1.2.2 computes.
@pytest.mark.parametrize(
    ("make", "inputs", "outputs"),
    [
        (lambda k: k.Convolution2D(8, 3, 3), (64, 64, 3), (62, 62, 8)),
        (lambda k: k.Convolution2D(8, 3, 5, "he_normal", "relu"), (64, 64, 3), (62, 60, 8)),
        (lambda k: k.Convolution2D(8, nb_row=3, nb_col=5), (64, 64, 3), (62, 60, 8)),
        (lambda k: k.Conv2D(8, 3, 3, border_mode="same"), (64, 64, 3), (64, 64, 8)),
        (lambda k: k.Conv2D(8, (3, 3), border_mode="same"), (64, 64, 3), (64, 64, 8)),
        (lambda k: k.Conv2D(8, 3, 3, "normal"), (64, 64, 3), (62, 62, 8)),
        (
            lambda k: k.Conv2D(nb_filter=8, nb_row=3, nb_col=3, subsample=(2, 2), bias=False),
            (64, 64, 3),
            (31, 31, 8),
        ),
        (lambda k: k.Convolution2D(8, 3, 3, dim_ordering="th"), (3, 64, 64), (8, 62, 62)),
        (lambda k: k.AtrousConvolution2D(8, 3, 3, atrous_rate=(2, 2)), (64, 64, 3), (60, 60, 8)),
        (lambda k: k.AtrousConvolution1D(8, 3, atrous_rate=2), (64, 3), (60, 8)),
        (lambda k: k.SeparableConvolution2D(8, 3, 3, init="normal"), (64, 64, 3), (62, 62, 8)),
        (lambda k: k.Convolution3D(8, 3, 3, 3), (9, 9, 9, 2), (7, 7, 7, 8)),
        (lambda k: k.Deconvolution3D(8, (3, 3, 3), padding="same"), (5, 5, 5, 2), (5, 5, 5, 8)),
        (lambda k: k.Convolution1D(8, 3, border_mode="same", subsample_length=2), (9, 2), (5, 8)),
        (lambda k: k.MaxPooling1D(pool_length=3, stride=2), (9, 2), (4, 2)),
        (lambda k: k.MaxPooling2D((2, 2), (2, 2), "same", "th"), (3, 9, 9), (3, 5, 5)),
        (lambda k: k.AveragePooling2D(), (9, 9, 3), (4, 4, 3)),
        (lambda k: k.GlobalAveragePooling2D(dim_ordering="th"), (3, 9, 9), (3,)),
        (lambda k: k.UpSampling1D(length=3), (9, 2), (27, 2)),
        (lambda k: k.UpSampling2D((2, 3), "th"), (3, 9, 9), (3, 18, 27)),
        (lambda k: k.ZeroPadding2D((1, 2), dim_ordering="th"), (3, 9, 9), (3, 11, 13)),
        (lambda k: k.ZeroPadding2D({"top_pad": 1, "left_pad": 2}), (9, 9, 3), (10, 11, 3)),
        (lambda k: k.ZeroPadding2D(padding=(1, 2, 3, 4)), (9, 9, 3), (12, 16, 3)),
        (lambda k: k.ZeroPadding1D({"right_pad": 2}), (9, 3), (11, 3)),
        (lambda k: k.Cropping2D(((1, 1), (2, 0)), dim_ordering="th"), (3, 9, 9), (3, 7, 7)),
        (lambda k: k.Dense(output_dim=4, init="one", bias=False), (3,), (4,)),
        (lambda k: k.Dense(4, "uniform"), (3,), (4,)),
        (lambda k: k.TimeDistributedDense(4), (9, 3), (9, 4)),
        (lambda k: k.LocallyConnected2D(2, 3, 3, bias=False), (6, 7, 3), (4, 5, 2)),
        (lambda k: k.LocallyConnected1D(nb_filter=2, filter_length=3), (6, 3), (4, 2)),
        (lambda k: k.MaxoutDense(5, nb_feature=2), (3,), (5,)),
        (lambda k: k.LSTM(output_dim=4, consume_less="gpu", return_sequences=True), (9, 3), (9, 4)),
        (lambda k: k.ConvLSTM2D(4, 3, 3, border_mode="same"), (5, 8, 8, 1), (8, 8, 4)),
    ],
)
def test_shapes_are_those_of_keras_1(make, inputs, outputs):
    assert output_shape(make(layers()), *inputs) == (None, *outputs)


def test_three_integers_without_a_sign_of_a_version_are_read_as_now_and_warned_of():
    for name, args, strides in (("Conv2D", (8, 3, 3), (3, 3)), ("Conv3D", (8, 3, 2), (2, 2, 2))):
        with pytest.warns(UserWarning, match=r"in Keras 1 the kernel is .* in Keras 3 .*strides="):
            layer = getattr(layers(), name)(*args)
        assert layer.strides == strides
    with pytest.raises(TypeError, match=r"in Keras 1 the kernel is \(3, 3\).*padding"):
        layers().Conv2D(8, 3, 3, padding="same", init="normal")


def test_keras_1_is_taken_for_granted_if_the_user_says_so(keras_1):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert layers().Conv2D(8, 3, 3).kernel_size == (3, 3)
        assert layers().Conv2D(8, 3, padding="same").strides == (1, 1)
    assert layers().LSTM(3).cell.recurrent_activation is hard_sigmoid
    # What Keras itself writes has all arguments, under their new names.
    new = layers().LSTM.from_config({"units": 3, "recurrent_activation": "sigmoid"})
    assert new.cell.recurrent_activation is keras.activations.sigmoid


def test_code_of_today_means_what_it_meant():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        conv = layers().Conv2D(8, (3, 3), 2)
        assert (conv.kernel_size, conv.strides) == ((3, 3), (2, 2))
    patching.restore_all()
    before = [
        layer.get_config()
        for layer in (
            keras.layers.Dense(4, "relu", name="a"),
            keras.layers.LSTM(4, name="b"),
            keras.layers.GRU(4, name="c"),
            keras.layers.Embedding(9, 4, "uniform", name="d"),
            keras.layers.BatchNormalization(1, 0.9, name="e"),
            keras.layers.Conv1D(4, 3, 2, "same", name="f"),
            keras.layers.Dropout(0.5, name="g"),
        )
    ]
    classes = ["Dense", "LSTM", "GRU", "Embedding", "BatchNormalization", "Conv1D", "Dropout"]
    legacy.install()
    for name, config in zip(classes, before, strict=True):
        assert getattr(keras.layers, name).from_config(config).get_config() == config


def test_defaults_of_keras_1():
    gru = layers().GRU(output_dim=3)
    assert gru.cell.recurrent_activation is hard_sigmoid
    assert not gru.cell.reset_after
    assert gru.cell.recurrent_initializer.gain == 1.1
    np.testing.assert_allclose(
        hard_sigmoid(np.array([-3.0, -1.0, 0.0, 1.0, 3.0], np.float32)), [0, 0.3, 0.5, 0.7, 1]
    )
    lstm = layers().LSTM(4, forget_bias_init="zero", inner_init="normal", activation="relu")
    assert not lstm.cell.unit_forget_bias
    assert lstm.cell.recurrent_activation is hard_sigmoid
    assert isinstance(lstm.cell.recurrent_initializer, keras.initializers.RandomNormal)
    # The call shows no version, and this file imports `keras`.
    with pytest.warns(UserWarning, match="`reset_after` is False, the default values of `keras`"):
        assert not layers().GRU(3).cell.reset_after
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layers().LSTM(3, recurrent_activation="sigmoid")
    with pytest.raises(ValueError, match="forget_bias_init='uniform' has no equivalent"):
        layers().LSTM(4, forget_bias_init="uniform")


def test_initializers_regularizers_and_constraints():
    from keras.constraints import maxnorm
    from keras.regularizers import WeightRegularizer, activity_l2, l1l2, l2

    dense = layers().Dense(
        3,
        init=lambda shape, name=None: np.full(shape, 7.0),
        W_regularizer=l2(l=0.5),
        b_regularizer=WeightRegularizer(l1=0.25),
        activity_regularizer=activity_l2(0.1),
        W_constraint=maxnorm(m=3),
        b_constraint="nonneg",
    )
    dense.build((None, 2))
    np.testing.assert_array_equal(dense.kernel, np.full((2, 3), 7.0))
    assert float(dense.kernel_regularizer.l2) == 0.5
    assert float(dense.bias_regularizer.l1) == 0.25
    assert dense.kernel_constraint.max_value == 3
    assert isinstance(dense.bias_constraint, keras.constraints.NonNeg)
    # Summed over the batch, as in Keras 1: 0.1 * (14 ** 2 * 3 * 4) for 4 rows.
    dense(np.ones((4, 2), np.float32))
    assert pytest.approx(0.1 * 14**2 * 3 * 4) in [float(loss) for loss in dense.losses]
    saved = keras.regularizers.serialize(dense.activity_regularizer)
    assert keras.regularizers.deserialize(saved).regularizer.l2 == pytest.approx(0.1)
    assert (l1l2().l1, l1l2().l2) == (0.01, 0.01)
    with pytest.warns(UserWarning, match=r"l2 has the default 0 in Keras 3, and had 0\.01"):
        assert keras.regularizers.l1_l2(l1=0.5).l2 == 0
    with pytest.raises(TypeError, match="twice: as `l` and as `l2`"):
        l2(l=0.1, l2=0.1)


def test_arguments_that_contradict_each_other():
    with pytest.raises(TypeError, match="as `output_dim` and as `units`"):
        layers().Dense(output_dim=3, units=3)
    with pytest.raises(TypeError, match="`nb_filter` by position and by name"):
        layers().Convolution2D(3, 3, 3, nb_filter=3)
    with pytest.raises(TypeError, match="nb_row without nb_col"):
        layers().Convolution2D(nb_filter=3, nb_row=3)
    with pytest.raises(ValueError, match="border_mode='full' was supported by Theano only"):
        layers().Convolution2D(8, 3, 3, border_mode="full")
    with pytest.raises(ValueError, match="`mode` must be 0, 1 or 2"):
        layers().BatchNormalization(mode=3)


def test_weights_that_are_given_to_the_constructor():
    kernel = np.arange(54.0).reshape(2, 3, 3, 3)  # filters, channels, rows, columns
    conv = layers().Convolution2D(2, 3, 3, weights=[kernel, np.ones(2)], dim_ordering="th")
    conv.build((None, 3, 9, 9))
    np.testing.assert_array_equal(conv.get_weights()[0][1, 2], kernel[:, :, 1, 2].T)
    conv = layers().Convolution1D(2, 3, weights=[np.ones((3, 1, 4, 2)), np.ones(2)])
    conv.build((None, 9, 4))
    assert conv.get_weights()[0].shape == (3, 4, 2)
    dense = layers().Dense(2, weights=[np.eye(2), np.ones(2)])
    np.testing.assert_array_equal(dense(np.array([[3.0, 4.0]])), [[4.0, 5.0]])
    with pytest.raises(ValueError, match="not compatible"):
        layers().Dense(2, weights=[np.eye(3), np.ones(2)]).build((None, 2))


def test_the_output_shape_of_a_deconvolution():
    for size, wanted in ((25, 25), (26, 26)):  # both give 12 again
        layer = layers().Deconvolution2D(3, 3, 3, (None, wanted, wanted, 3), subsample=(2, 2))
        assert layer(np.zeros((1, 12, 12, 2), np.float32)).shape == (1, size, size, 3)
    with pytest.raises(ValueError, match=r"Received: images of size \(30, 30\)"):
        layers().Deconvolution2D(3, 3, 3, output_shape=(None, 30, 30, 3))(np.zeros((1, 12, 12, 2)))


def test_derived_classes_and_names():
    class Three(keras.layers.Convolution2D):
        def __init__(self, nb_filter, **kwargs):
            super().__init__(nb_filter, 3, 3, border_mode="same", **kwargs)

    layer = Three(5)
    assert (layer.kernel_size, layer.padding) == ((3, 3), "same")
    assert isinstance(layer, keras.layers.Conv2D)
    assert isinstance(keras.layers.Conv2D(5, 3), keras.layers.Convolution2D)
    assert issubclass(Three, keras.layers.Convolution2D)
    assert "keras_1" not in str(layer.get_config())
    tf_layers = tf_keras_module("layers")
    assert tf_layers.Convolution2D is keras.layers.Convolution2D
    assert tf_layers.Merge is keras.layers.Merge
