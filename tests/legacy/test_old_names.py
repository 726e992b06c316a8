"""Every module and public name of Keras 1.2.2 and 2.2.4 can be imported after `install()`."""

from __future__ import annotations

import importlib
import textwrap
import warnings

import keras
import pytest

from keras_bigdata.legacy.stand_ins import is_explaining
from keras_bigdata.old_keras.public_names import all_names, names_by_module, old_modules

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a module of TensorFlow"
)

# A few names that must be what they are today, and not an explanation.
SURE = {
    "keras.layers.core.Dense": "keras.layers.Dense",
    "keras.layers.normalization.BatchNormalization": "keras.layers.BatchNormalization",
    "keras.layers.merge.concatenate": "keras.layers.concatenate",
    "keras.engine.topology.Layer": "keras.layers.Layer",
    "keras.engine.Model": "keras.Model",
    "keras.objectives.mse": "keras.losses.mean_squared_error",
    "keras.metrics.mae": "keras.losses.mean_absolute_error",
    "keras.losses.kullback_leibler_divergence": "keras.losses.kl_divergence",
    "keras.optimizers.adam": "keras.optimizers.Adam",
    "keras.constraints.nonneg": "keras.constraints.NonNeg",
    "keras.initializers.normal": "keras.initializers.RandomNormal",
    "keras.utils.np_utils.to_categorical": "keras.utils.to_categorical",
    "keras.utils.visualize_util.plot": "keras.utils.plot_model",
    "keras.utils.generic_utils.get_custom_objects": "keras.utils.get_custom_objects",
    "keras.utils.layer_utils.get_source_inputs": "keras.utils.get_source_inputs",
    "keras.applications.mobilenetv2.MobileNetV2": "keras.applications.MobileNetV2",
    "keras.engine.saving.load_model": "keras.saving.load_model",
    "keras.backend.tensorflow_backend.epsilon": "keras.backend.epsilon",
    "keras.backend.tensorflow_backend.sum": "keras.backend.sum",
    "keras.layers.core.K": "keras.backend",
}


def resolve(name):
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


def test_the_tables_have_the_modules_of_both_versions():
    assert len(old_modules()) > 70
    assert "Convolution2D" in names_by_module(1)["keras.layers"]
    assert "HDF5Matrix" in names_by_module(2)["keras.utils"]
    assert sum(map(len, names_by_module(2).values())) > 900


def test_every_name_is_there(installed):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for module in old_modules():
            found = importlib.import_module(module)
            missing = [name for name in all_names(module) if not hasattr(found, name)]
            assert missing == [], module
        for name, today in SURE.items():
            assert resolve(name) is resolve(today), name


def test_names_that_only_explain_themselves(installed):
    count = total = 0
    for module in old_modules():
        for name in all_names(module):
            value = getattr(importlib.import_module(module), name)
            total += 1
            if is_explaining(value):
                count += 1
                with pytest.raises(NotImplementedError, match=rf"{name} "):
                    value()
    assert count < 0.2 * total


IMPORTS = """
    from keras.backend.tensorflow_backend import set_session
    from keras.engine.base_layer import InputSpec
    from keras.initializations import glorot_uniform
    from keras.layers.core import *
    from keras.legacy import interfaces
    from keras.legacy.layers import Recurrent
    from keras.optimizers import rmsprop
    from keras.regularizers import WeightRegularizer, activity_l2, l1l2
    from keras.utils import HDF5Matrix, conv_utils, multi_gpu_model, np_utils
    from keras.utils.training_utils import multi_gpu_model
    from keras.utils.io_utils import HDF5Matrix
    from keras.wrappers.scikit_learn import KerasClassifier, KerasRegressor
    from keras_applications.resnet50 import ResNet50
    from keras_preprocessing.image import ImageDataGenerator
    from keras_preprocessing.sequence import pad_sequences
    import keras.layers.core, keras.utils.np_utils, keras.backend.tensorflow_backend as KTF
    import keras.engine.topology
    keras.layers.core.Dense, keras.utils.np_utils.to_categorical, keras.engine.topology.Layer
    KTF.set_session, KTF._get_available_gpus()
    from keras.applications.imagenet_utils import decode_predictions
    from keras.models import Graph, model_from_yaml
"""
TENSORFLOW_IMPORTS = """
    from tensorflow.contrib.keras import layers
    from tensorflow.contrib.keras.python.keras.layers import Dense as D1
    from tensorflow.keras.layers import CuDNNGRU
    from tensorflow.keras.layers.experimental import preprocessing
    from tensorflow.keras.layers.experimental.preprocessing import Rescaling
    from tensorflow.keras.optimizers import SGD
    from tensorflow.keras.utils import multi_gpu_model
    from tensorflow.keras.wrappers.scikit_learn import KerasClassifier
    from tensorflow.python.keras import backend as K
    from tensorflow.python.keras.layers import Dense as D2
    from tensorflow.python.keras.utils.data_utils import Sequence
    import tensorflow as tf
    import keras
    assert D1 is D2 is keras.layers.Dense
    assert tf.keras.layers.experimental.preprocessing.Rescaling is keras.layers.Rescaling
    K.set_session(tf.Session(config=tf.ConfigProto(gpu_options=tf.GPUOptions(allow_growth=True))))
    tf.set_random_seed(3)
"""


def test_imports_at_the_top_of_scripts(installed):
    names = {}
    exec(textwrap.dedent(IMPORTS), names)
    assert names["Dense"] is keras.layers.Dense
    assert names["rmsprop"] is keras.optimizers.RMSprop
    assert names["l1l2"](0.1, 0.2).get_config() == {"l1": 0.1, "l2": 0.2}
    # Summed over the batch, as in Keras 1.
    assert float(names["activity_l2"](0.5)(keras.ops.ones((3, 1)))) == 0.5 * 3 * 3
    made = names["glorot_uniform"]((3, 5), name="weights")
    assert abs(keras.ops.convert_to_numpy(made)).max() <= (6 / 8) ** 0.5
    with pytest.raises(NotImplementedError, match="Graph was removed"):
        names["Graph"]()


@on_tensorflow
def test_imports_from_tensorflow(installed):
    with pytest.warns(UserWarning, match="no sessions"):
        exec(textwrap.dedent(TENSORFLOW_IMPORTS), {})


def test_code_of_keras_3_is_unchanged(installed):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    again = keras.Sequential.from_config(model.get_config())
    assert again.count_params() == 6
    from keras import layers, legacy, metrics, optimizers, wrappers

    assert optimizers.Adam is keras.optimizers.Adam
    assert metrics.Precision()([1, 0], [1, 1]) == 0.5
    assert legacy.saving
    assert wrappers.SKLearnClassifier
    assert layers.Normalization
