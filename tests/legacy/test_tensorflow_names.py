"""Names of TensorFlow 1 next to Keras code, such as `tf.ConfigProto`."""

from __future__ import annotations

import importlib
import warnings

import keras
import numpy as np
import pytest

from keras_bigdata.old_keras.tensorflow_names import COMPATIBLE_NAMES

if keras.backend.backend() != "tensorflow":
    pytest.skip("tensorflow is not the backend", allow_module_level=True)

import tensorflow as tf


@pytest.mark.parametrize("module", COMPATIBLE_NAMES)
def test_the_names_are_those_that_only_the_compatible_module_has(module):
    new = importlib.import_module(module)
    compatible = importlib.import_module(module.replace("tensorflow", "tensorflow.compat.v1", 1))
    for name in COMPATIBLE_NAMES[module]:
        assert hasattr(compatible, name), name
        assert not hasattr(new, name), name


def test_a_session_can_be_configured_and_functions_compute(installed):
    config = tf.ConfigProto(gpu_options=tf.GPUOptions(per_process_gpu_memory_fraction=0.5))
    config.gpu_options.allow_growth = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first session warns that there are none
        with tf.Session(config=config) as session:
            assert float(session.run(tf.constant(2.0))) == 2.0
    np.testing.assert_allclose(tf.log(np.float32([1.0, 4.0])), [0.0, 1.386294], rtol=1e-6)
    assert tf.to_float(3).dtype == "float32"
    assert tf.image.resize_images(np.zeros((1, 4, 4, 3)), (2, 2)).shape == (1, 2, 2, 3)
    tf.app.flags.DEFINE_integer("keras_bigdata_test_epochs", 3, "")
    assert tf.app.flags.FLAGS["keras_bigdata_test_epochs"].value == 3


def test_what_old_scripts_assigned_to_tf_python_does_not_reach_tensorflow(installed):
    tf.python.control_flow_ops = tf
    assert tf.python.control_flow_ops is tf
    module = importlib.import_module("tensorflow.python")
    assert getattr(module, "control_flow_ops", None) is not tf
    assert tf.python.array_ops is importlib.import_module("tensorflow.python.ops.array_ops")
    with pytest.raises(AttributeError, match="no_such_module"):
        _ = tf.python.no_such_module


def test_functions_that_would_return_an_empty_list_are_not_added(installed):
    with pytest.raises(AttributeError, match="trainable_variables"):
        tf.trainable_variables()


def test_renamed_arguments(installed):
    x = np.float32([[0.0, 0.0], [0.0, 0.0]])
    np.testing.assert_array_equal(tf.nn.softmax(x, dim=1), np.full((2, 2), 0.5))
    assert tf.reduce_sum(x, reduction_indices=[1], keep_dims=True).shape == (2, 1)
    assert tf.reduce_sum(x, axis=1).shape == (2,)
    with pytest.raises(TypeError, match="`axis` twice"):
        tf.argmax(x, axis=0, dimension=1)
