"""A model that records its batches, shared by all tests of old generators."""

from __future__ import annotations

import numpy as np
import pytest

from keras_bigdata import legacy
from keras_bigdata.legacy import patching
from keras_bigdata.legacy.backend import sessions
from tests.legacy.numbered_batches import RecordingTests


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
