"""A model that records its batches, shared by all tests of old generators."""

from __future__ import annotations

import contextlib
import importlib

import keras
import numpy as np
import pytest

from keras_bigdata import legacy
from keras_bigdata.legacy import installation, patching
from keras_bigdata.legacy.backend import sessions
from tests.legacy.numbered_batches import RecordingTests

# Before `install()` makes `keras.preprocessing` another module: TensorFlow would find that one for
# `tensorflow.keras` too, and keep it after `restore_all`.
for name in ("image", "sequence", "text"):
    with contextlib.suppress(ImportError):
        importlib.import_module(f"tensorflow.keras.preprocessing.{name}")


@pytest.fixture(autouse=True)
def _skip_if_install_refuses_keras(monkeypatch):
    """With an older Keras, a test that calls `install()` ends there: there is nothing to test."""
    if tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15):
        monkeypatch.setattr(
            installation, "_refuse_older_keras", lambda: pytest.skip("needs Keras 3.15")
        )


@pytest.fixture(scope="session")
def built():
    model = RecordingTests()
    model.compile("sgd", "mse")
    model(np.zeros((1, 3), np.float32))
    return model


@pytest.fixture
def model(built):
    built.take()
    built.take_tested()
    built.stop_training = False
    return built


@pytest.fixture
def installed():
    """Calls `install()`, and undoes it after the test."""
    legacy.install()
    yield
    patching.restore_all()
    sessions.forget()
