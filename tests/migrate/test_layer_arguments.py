"""`migrate` on layers with the arguments of Keras 1."""

from __future__ import annotations

import inspect
import textwrap

import keras
import numpy as np
import pytest

from keras_bigdata.migrate import migrate_text
from keras_bigdata.old_keras.layers import DEFAULTS, LAYERS
from tests.migrate.migrated import migrate, notes

IMPORTS = "from keras.layers import *\n"


@pytest.mark.quick_cases(10)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Convolution2D(8, 3, 5)", "Convolution2D(8, (3, 5))"),
        ("Convolution2D(8, n(), n())", "Convolution2D(8, (n(), n()))"),
        (
            "Convolution2D(8, 3, 3, 'normal', 'relu', border_mode='same', subsample=(2, 2))",
            "Convolution2D(8, (3, 3), kernel_initializer='normal', activation='relu', "
            "padding='same', strides=(2, 2))",
        ),
        (
            "Conv2D(nb_filter=8, nb_row=3, nb_col=3, dim_ordering='th', bias=False)",
            "Conv2D(filters=8, kernel_size=(3, 3), data_format='channels_first', use_bias=False)",
        ),
        ("Conv2D(8, (3, 3), border_mode=mode)", "Conv2D(8, (3, 3), padding=mode)"),
        (
            "Conv2D(8, 3, 3, dim_ordering='default', W_regularizer=r)",
            "Conv2D(8, (3, 3), kernel_regularizer=r)",
        ),
        (
            "Convolution3D(8, 3, 3, 2, input_shape=(9, 9, 9, 1))",
            "Convolution3D(8, (3, 3, 2), input_shape=(9, 9, 9, 1))",
        ),
        (
            "Convolution1D(8, 3, subsample_length=2, input_dim=4, input_length=9)",
            "Convolution1D(8, 3, strides=2, input_shape=(9, 4))",
        ),
        (
            "SeparableConvolution2D(8, 3, 3, init='normal')",
            "SeparableConvolution2D(8, (3, 3), depthwise_initializer='normal', "
            "pointwise_initializer='normal')",
        ),
        ("Dense(output_dim=8, init='uniform')", "Dense(units=8, kernel_initializer='uniform')"),
        ("Dense(8, 'uniform')", "Dense(8, kernel_initializer='uniform')"),
        (
            "Dense(8, activity_regularizer=l2(l=0.1), bias=True)",
            "Dense(8, activity_regularizer=SummedOverBatch(l2(l=0.1)), use_bias=True)",
        ),
        ("Dropout(p=0.5)", "Dropout(rate=0.5)"),
        ("GaussianNoise(sigma=s)", "GaussianNoise(stddev=s)"),
        ("UpSampling2D((2, 2), 'th')", "UpSampling2D((2, 2), data_format='channels_first')"),
        ("MaxPooling1D(pool_length=3, stride=2)", "MaxPooling1D(pool_size=3, strides=2)"),
        ("BatchNormalization(1e-5, 0, 1)", "BatchNormalization(epsilon=1e-5, axis=1)"),
        ("BatchNormalization(mode=0, axis=1)", "BatchNormalization(axis=1)"),
        (
            "BatchNormalization(mode=2, beta_init='one')",
            "BatchStatisticsNormalization(beta_initializer='one')",
        ),
        ("Embedding(9, 4, dropout=0.2)", "DropoutEmbedding(9, 4, dropout=0.2)"),
        (
            "Embedding(9, 4, init='one', dropout=0., W_constraint=c)",
            "Embedding(9, 4, embeddings_initializer='one', embeddings_constraint=c)",
        ),
        (
            "LSTM(output_dim=8, inner_init='one', consume_less='gpu', forget_bias_init='one', "
            "dropout_U=0.2)",
            "LSTM(units=8, recurrent_initializer='one', unit_forget_bias=True, "
            "recurrent_dropout=0.2, recurrent_activation=hard_sigmoid)",
        ),
        (
            "GRU(8, inner_activation='tanh', U_regularizer=r)",
            "GRU(8, recurrent_activation='tanh', recurrent_regularizer=r, reset_after=False)",
        ),
        ("LSTM(8, input_dim=4, input_length=9)", "LSTM(8, input_shape=(9, 4))"),
    ],
)
def test_calls(old, new):
    migrated = migrate(IMPORTS + old + "\n")
    assert migrated.splitlines()[-1] == new
    assert migrate(migrated) == migrated
    assert [note for note in notes(migrated).values() if "SILENT CHANGE" not in note] == []


def test_what_the_rest_of_a_file_shows():
    code = IMPORTS + "Conv2D(8, 3, 3)\nLSTM(4)\nGRU(4, return_sequences=True)\n"
    assert migrate(code) == code
    message = notes(code)[2]
    assert "3, 3 are kernel_size=3, strides=3; in Keras 1 they were the sides" in message
    assert "Write (3, 3) if they are the kernel" in message
    new = migrate(code + "Dense(4, W_regularizer=r)\n")
    assert "\nConv2D(8, (3, 3))\nLSTM(4, recurrent_activation=hard_sigmoid)\n" in new
    assert "recurrent_activation=hard_sigmoid, reset_after=False)" in new
    assert "from keras_bigdata.legacy.layers import hard_sigmoid\n" in new


def test_a_file_whose_version_another_rule_still_has_to_find():
    # `Conv2D` was a name of Keras 1 too. If `border_mode` were replaced, a second run would take
    # the file for one of Keras 2, and 2000 for a number of batches.
    code = textwrap.dedent("""\
        from keras.layers import Conv2D
        Conv2D(8, 3, 3, border_mode="same", data_format=None)
        Conv2D(8, (3, 3), border_mode="same")
        model.fit_generator(g, 2000, 10)
    """)
    new = migrate(code)
    assert code.splitlines()[1:3] == [line for line in new.splitlines() if "Conv2D(" in line]
    assert migrate(new) == new
    assert "Name the step counts" in notes(code)[3]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("Convolution2D(8, 3, 3, weights=w())", "layer.set_weights(w()) after the layer is built"),
        ("ZeroPadding2D(dim_ordering=o)", "'tf': 'channels_last'}[o]"),
        ("Convolution2D(8, 3, 3, border_mode='full')", "Pad with the size of the kernel minus 1"),
        ("BatchNormalization(mode=m())", "SampleNormalization (mode 1)"),
        ("LSTM(4, forget_bias_init=f)", "unit_forget_bias, which is True or False"),
        ("Dense(4, init=lambda shape, name: v)", "lambda shape, dtype=None: ..."),
        ("Deconvolution2D(8, 3, 3, output_shape=s)", "pass output_padding"),
        ("Conv2D(8, 3, 3, border_mode='same', padding='same')", "has both border_mode and padding"),
        ("Conv2D(8, 3, 3, strides=2, init='one')", "Keras 1 did not have strides"),
        ("Dense(*sizes, init='one')", "passed with `*`"),
        ("Convolution2D(8, 3, nb_col=3)", "by position and by name"),
        ("LSTM(4, batch_input_shape=(1, 2, 3))", "keras.Input(batch_shape=(1, 2, 3))"),
    ],
)
def test_what_is_not_certain_is_noted_in_every_run(code, message):
    code = f"from keras.layers import {code.partition('(')[0]}\n{code}\n"
    line = len(code.splitlines())
    assert message in notes(code)[line]
    new = migrate(code)
    assert migrate(new) == new
    assert message in "".join(notes(new).values())


def test_layers_that_were_removed_are_imported_from_elsewhere():
    new = migrate("""
        from keras.layers import Dense, Merge, merge, AtrousConvolution2D
        from keras.layers.core import MaxoutDense, TimeDistributedDense
        import keras
        AtrousConvolution2D(8, 3, 3, atrous_rate=(2, 2))
        TimeDistributedDense(4, bias=False)
        MaxoutDense(output_dim=4)
        keras.layers.LocallyConnected2D(8, 3, 3, bias=False)
    """)
    for line in (
        "from keras.layers import Dense, Conv2D as AtrousConvolution2D",
        "from keras_bigdata.legacy.layers import Merge, merge",
        "from keras_bigdata.legacy.layers import MaxoutDense",
        "from keras.layers import Dense as TimeDistributedDense",
        "AtrousConvolution2D(8, (3, 3), dilation_rate=(2, 2))",
        "TimeDistributedDense(4, use_bias=False)",
        "MaxoutDense(units=4)",
        "LocallyConnected2D(8, (3, 3), use_bias=False)",
    ):
        assert line in new.splitlines()


def test_regularizers_and_constraints():
    new = migrate("""
        from keras.regularizers import l2, l1l2, WeightRegularizer, activity_l2
        from keras.constraints import maxnorm
        a = [l2(l=0.1), l1l2(), l1l2(0.1), WeightRegularizer(l1=0.1), activity_l2(0.1)]
        b = maxnorm(m=2)
    """)
    assert "a = [l2(l2=0.1), l1l2(l1=0.01, l2=0.01), l1l2(0.1, l2=0.01)," in new
    assert "l1_l2 as l1l2, L1L2 as WeightRegularizer, l2 as activity_l2" in new
    assert "b = maxnorm(max_value=2)" in new
    code = "from keras.regularizers import l1_l2\nl1_l2(l1=0.1)\nl1_l2(0.1, 0.2)\n"
    assert migrate(code) == code
    assert list(notes(code)) == [2]
    assert "l2 is 0 in Keras 3 and was 0.01" in notes(code)[2]


SCRIPT = """\
from keras.models import Sequential
from keras.layers.core import Dense, Flatten, Dropout, Merge
from keras.layers.convolutional import Convolution2D, MaxPooling2D, AtrousConvolution2D
from keras.layers.recurrent import GRU
from keras.regularizers import l2

nb_conv = 3
image = Sequential()
image.add(Convolution2D(4, nb_conv, nb_conv, border_mode='same', input_shape=(8, 8, 1)))
image.add(AtrousConvolution2D(4, nb_conv, nb_conv, atrous_rate=(2, 2), W_regularizer=l2(l=0.1)))
image.add(MaxPooling2D(pool_size=(2, 2), border_mode='valid'))
image.add(Dropout(p=0.25))
image.add(Flatten())
image.add(Dense(output_dim=4, init='uniform'))
words = Sequential()
words.add(GRU(output_dim=4, input_dim=3, input_length=5))
model = Sequential()
model.add(Merge([image, words], mode='concat'))
model.add(Dense(1))
"""


@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`")
def test_a_migrated_script_builds_the_network_of_keras_1():
    migration = migrate_text(SCRIPT.encode())
    assert migration.notes == []
    namespace: dict = {}
    exec(migration.content.decode(), namespace)
    shapes = [layer.output.shape[1:] for layer in namespace["image"].layers]
    assert shapes == [(8, 8, 4), (4, 4, 4), (2, 2, 4), (2, 2, 4), (16,), (4,)]
    gru = namespace["words"].layers[0]
    # (input, 3 gates), (state, 3 gates), (3 gates): `reset_after=False`.
    assert [array.shape for array in gru.get_weights()] == [(3, 12), (4, 12), (12,)]
    assert float(gru.cell.recurrent_activation(np.array(1.0))) == pytest.approx(0.7)
    inputs = [np.ones((2, 8, 8, 1)), np.ones((2, 5, 3))]
    assert namespace["model"](inputs).shape == (2, 1)


def test_the_tables_agree_with_keras():
    from keras_bigdata.legacy import layers as own

    for name, layer in LAYERS.items():
        target = getattr(own if layer.is_built_here else keras.layers, layer.target)
        names = set(inspect.signature(target.__init__).parameters)
        unknown = set(layer.renamed.values()) - names
        assert not unknown, (name, unknown)
        assert set(DEFAULTS.get(name, {})) <= names
