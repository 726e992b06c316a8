"""Models are saved and loaded under the names and formats of Keras 1 and 2."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest

from keras_bigdata.legacy.models import model_files

X = np.arange(6.0).reshape(3, 2) / 6


@pytest.fixture
def model(installed):
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    made.compile("sgd", "mse", metrics=["mae"])
    made.evaluate(X, X[:, :1], verbose=0)
    return made


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_any_name(model, tmp_path):
    expected = model.evaluate(X, X[:, :1], verbose=0)
    model.save(str(tmp_path / "m.keras"))
    assert keras.models.load_model(str(tmp_path / "m.keras")).compiled
    for name in ("model", "m.model", "m.hdf5", "m.h5", "in/a/folder"):
        path = str(tmp_path / name)
        model.save(path)
        assert h5py.is_hdf5(path)
        again = keras.models.load_model(path)
        assert again.evaluate(X, X[:, :1], verbose=0) == pytest.approx(expected)
    assert {"loss", "mae"} <= {*again.evaluate(X, X[:, :1], verbose=0, return_dict=True)}
    keras.models.save_model(model, str(tmp_path / "other"), True, False)
    with h5py.File(tmp_path / "other") as file:
        assert "optimizer_weights" not in file
    with pytest.raises(FileExistsError, match="overwrite=False"):
        model.save(str(tmp_path / "model"), overwrite=False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_training_continues_from_a_file(model, tmp_path):
    def train(one):
        one.train_on_batch(X, X[:, :1])
        return one.get_weights()

    model.compile(keras.optimizers.Adam(lr=0.1), "mse")
    train(model)
    model.save(str(tmp_path / "m.h5"))
    again = keras.models.load_model(str(tmp_path / "m.h5"))
    for expected, weight in zip(train(model), train(again), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-5)
    with h5py.File(tmp_path / "m.h5", "a") as file:
        file["optimizer_weights"].attrs["weight_names"] = []
    with pytest.warns(UserWarning, match="training continues with a new one"):
        keras.models.load_model(str(tmp_path / "m.h5"))


@pytest.mark.slow
def test_saved_model_directories(model, tmp_path, monkeypatch):
    path = str(tmp_path / "model")
    with pytest.warns(UserWarning, match=r"write a SavedModel with model.export"):
        model.save(path, save_format="tf")
    assert keras.models.load_model(path).compiled
    monkeypatch.setattr(model_files, "keras_root", lambda: "tensorflow.keras")
    with pytest.warns(UserWarning, match=r"not as a SavedModel directory"):
        model.save(path)
    with pytest.raises(IsADirectoryError, match="perhaps a SavedModel that an earlier release"):
        model.save(str(tmp_path))
