"""Old arguments of functions that load and prepare data, and attributes of image iterators."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from PIL import Image

from keras_bigdata import legacy


def test_functions_take_the_old_arguments(monkeypatch):
    from keras_bigdata.legacy import patching

    def load_data(path="reuters.npz", num_words=None, skip_top=0):
        return num_words

    monkeypatch.setattr(keras.datasets.reuters, "load_data", load_data)
    legacy.install()
    try:
        assert keras.datasets.reuters.load_data(nb_words=7) == 7
        with pytest.raises(TypeError, match="`num_words` twice"):
            keras.datasets.reuters.load_data(nb_words=7, num_words=7)
    finally:
        patching.restore_all()


def test_labels_and_images(installed):
    from keras.preprocessing.image import ImageDataGenerator, img_to_array
    from keras.utils.np_utils import to_categorical

    expected = [[0, 1, 0], [0, 0, 1]]
    for labels in (
        to_categorical([1, 2], nb_classes=3),
        to_categorical(y=[1, 2], num_classes=3),
        keras.utils.to_categorical(np.array([1, 2]), 3),
    ):
        assert labels.tolist() == expected
    assert to_categorical([1, 2], 3, "float32").dtype == "float32"
    assert to_categorical([1, 2], 3, dtype="uint8").dtype == "uint8"
    image = Image.new("RGB", (4, 5))
    assert img_to_array(image, dim_ordering="th").shape == (3, 5, 4)
    assert keras.utils.img_to_array(image, dim_ordering="tf").shape == (5, 4, 3)
    assert img_to_array(image, dim_ordering="default").shape == (5, 4, 3)
    datagen = ImageDataGenerator(dim_ordering="th")
    flow = datagen.flow(np.zeros((6, 3, 4, 5)), np.arange(6), batch_size=2)
    assert flow.N == 6
    assert next(flow)[0].shape == (2, 3, 4, 5)


def test_iterators_of_folders_have_their_old_attributes(tmp_path, installed):
    from keras.preprocessing.image import ImageDataGenerator

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    flow = ImageDataGenerator().flow_from_directory(str(tmp_path), target_size=(4, 4))
    assert (flow.nb_sample, flow.nb_class, flow.N) == (2, 2, 2)
