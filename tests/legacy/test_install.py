"""`install()`, the old imports, and the examples in docstrings."""

from __future__ import annotations

import re
import textwrap

import keras
import keras.callbacks  # in Keras 3.8 a second module, which must be there to be undone
import numpy as np
import pytest

from keras_bigdata import legacy
from keras_bigdata.old_keras.optimizers import OPTIMIZERS
from tests.legacy.small_classifier import X, Y, batches, classifier


def test_a_keras_with_other_results_is_refused_before_anything_is_changed(monkeypatch):
    """With Keras 3.8 the loss of a regularizer of activities was 0.4 instead of 0.1."""
    monkeypatch.setattr(keras, "__version__", "3.14.1")
    with pytest.raises(RuntimeError, match=r"needs Keras 3\.15 or later.*Received: Keras 3\.14\.1"):
        legacy.install()
    assert not hasattr(keras.Model, "fit_generator")


def test_things_are_where_scripts_look_for_them(tmp_path, installed):
    legacy.install()
    model = classifier(run_eagerly=True)
    history = model.fit_generator(batches(), steps_per_epoch=2, epochs=1, verbose=0)
    assert "acc" in history.history
    assert len(model.evaluate_generator(batches(), 2)) == 2
    assert model.predict_generator(batches(), 2).shape == (16, 2)
    from keras.callbacks import ModelCheckpoint, TensorBoard
    from keras.preprocessing.image import ImageDataGenerator

    assert ModelCheckpoint is legacy.ModelCheckpoint
    assert TensorBoard is legacy.TensorBoard
    assert issubclass(ModelCheckpoint, keras.callbacks.Callback)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        assert tf.keras.callbacks.ModelCheckpoint is ModelCheckpoint
        assert tf.keras.callbacks.TensorBoard is TensorBoard
    flow = ImageDataGenerator().flow(np.ones((6, 4, 4, 3)), np.arange(6), batch_size=4)
    x, _ = flow.next()
    assert x.shape == (4, 4, 4, 3)
    for name in ("first_try.h5", "first_try.weights.h5", "first_try"):
        model.save_weights(str(tmp_path / name))
        other = keras.models.clone_model(model)
        other.load_weights(str(tmp_path / name))
        np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "first_try",
        "first_try.h5",
        "first_try.weights.h5",
    ]


@pytest.mark.slow
def test_old_imports_and_the_old_learning_rate(installed):
    code = """
        from keras.engine.topology import Layer
        from keras.layers.convolutional import Conv2D
        from keras.layers.core import Activation, Dense
        from keras.layers.normalization import BatchNormalization
        from keras.preprocessing.image import ImageDataGenerator, img_to_array
        from keras.preprocessing.text import Tokenizer
        from keras.utils import np_utils
        from keras.utils.np_utils import to_categorical
        from keras.utils.vis_utils import plot_model
    """
    names = {}
    exec(textwrap.dedent(code), names)
    assert names["Dense"] is keras.layers.Dense
    assert names["np_utils"].to_categorical is names["to_categorical"]
    for name in OPTIMIZERS:
        optimizer = getattr(keras.optimizers, name)(lr=0.25)
        assert float(optimizer.lr) == float(optimizer.learning_rate) == 0.25
    with pytest.raises(TypeError, match="twice: as `lr` and as `learning_rate`"):
        keras.optimizers.SGD(lr=0.1, learning_rate=0.1)
    model = classifier(optimizer=keras.optimizers.SGD(lr=0.25, momentum=0.9))
    model.optimizer.lr = 0.5
    model.fit_generator(batches(), 1, verbose=0)
    assert float(model.optimizer.learning_rate) == 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", legacy.__all__)
def test_examples_in_docstrings_run(name, tmp_path, monkeypatch, installed):
    monkeypatch.chdir(tmp_path)
    codes = re.findall(r"```python\n(.*?)```", getattr(legacy, name).__doc__, re.DOTALL)
    assert codes
    namespace = {"__name__": "example", "x": X, "y": Y, "model": classifier()}
    for code in codes:
        exec(compile(textwrap.dedent(code), name, "exec"), namespace)
