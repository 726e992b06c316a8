"""Functions of `keras.backend` with the arguments of Keras 1, and operators of its variables."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.old_keras.backend_arguments import RENAMED


def test_old_arguments(installed):
    K = keras.backend
    array = np.asarray
    assert float(np.abs(array(K.random_normal((9,), mean=5.0, std=1e-6)) - 5.0).max()) < 1e-3
    values = array(K.random_uniform((50,), low=2.0, high=3.0))
    assert values.min() >= 2.0
    assert values.max() <= 3.0
    assert array(K.expand_dims(np.ones(3), dim=0)).shape == (1, 3)
    assert array(K.one_hot(np.array([1]), nb_classes=3)).tolist() == [[0, 1, 0]]
    x = K.constant(np.ones((1, 4, 4, 1)))
    kernel = np.ones((3, 3, 1, 2), np.float32)
    same = K.conv2d(x, kernel, border_mode="same", dim_ordering="tf", image_shape=(1, 4, 4, 1))
    assert array(same).shape == (1, 4, 4, 2)
    assert array(K.resize_images(x, 2, 2, "tf")).shape == (1, 8, 8, 1)
    assert array(K.spatial_2d_padding(x, dim_ordering="default")).shape == (1, 6, 6, 1)
    with pytest.raises(TypeError, match="`stddev` twice"):
        K.random_normal((2,), std=1.0, stddev=1.0)


def test_every_function_of_the_table_takes_its_old_arguments(installed):
    for name in RENAMED:
        assert hasattr(keras.backend, name), name


def test_a_variable_may_stand_left_of_a_symbolic_tensor(installed):
    K = keras.backend
    inputs = keras.Input((3,))
    loss = K.variable(10.0)
    loss -= 2 * K.sum(inputs, axis=-1)
    model = keras.Model(inputs, loss * K.variable(3.0) + K.variable(1.0))
    assert model.predict(np.ones((2, 3)), verbose=0).tolist() == [13.0, 13.0]
    assert float(K.variable(2.0) - 0.5) == 1.5


def test_slices_of_lists_of_arrays(installed):
    from keras.engine.training import slice_X
    from keras.utils.generic_utils import slice_arrays

    first, second = slice_X([np.arange(5), np.arange(6) * 2], 1, 3)
    assert (first.tolist(), second.tolist()) == ([1, 2], [2, 4])
    assert slice_arrays(np.arange(5), np.array([0, 3])).tolist() == [0, 3]
    assert slice_arrays([None, np.arange(3)], 2)[0] is None
