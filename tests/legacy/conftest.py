"""A model that records its batches, shared by all tests of old generators."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re

import keras
import numpy as np
import pytest

from keras_bigdata import legacy
from keras_bigdata.legacy import patching
from keras_bigdata.legacy.backend import sessions
from tests.legacy.numbered_batches import RecordingTests

# Before `install()` makes `keras.preprocessing` another module: TensorFlow would find that one for
# `tensorflow.keras` too, and keep it after `restore_all`.
for name in ("image", "sequence", "text"):
    with contextlib.suppress(ImportError):
        importlib.import_module(f"tensorflow.keras.preprocessing.{name}")


@pytest.fixture(autouse=True)
def _only_with_a_keras_that_install_takes(request):
    """Skips the tests of modules that call `install`, which refuses older releases of Keras."""
    is_old = tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15)
    if is_old and re.search(r"install\(|installed", inspect.getsource(request.module)):
        pytest.skip("`legacy.install()` needs Keras 3.15")


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
