"""`install()` changes `keras.X` and all copies of it, such as `tensorflow.keras.X`, alike."""

from __future__ import annotations

import importlib
import sys
import types

import keras
import numpy as np
import pytest

from keras_bigdata import legacy
from keras_bigdata.keras_internals.legacy import copies_of
from keras_bigdata.legacy import patching, stand_ins
from keras_bigdata.legacy.backend import sessions
from keras_bigdata.legacy.layers import SummedOverBatch
from keras_bigdata.old_keras.star_names import star_names

_TOPICS = (
    *("activations", "backend", "callbacks", "constraints", "layers", "losses", "metrics"),
    *("models", "optimizers", "regularizers", "saving", "utils"),
)
_ACTIVITIES = {
    "activity_l1": ((0.5,), 6),
    "activity_l2": ((0.5,), 12),
    "activity_l1l2": ((0.5, 0.25), 12),
    "ActivityRegularizer": ((0.5, 0.25), 12),
}


@pytest.fixture
def originals(monkeypatch):
    """Calls `install()` before `tensorflow.keras.X` is imported, as scripts do.

    Returns the names of each module before the call.
    """
    names = {}
    for topic in _TOPICS:
        if (parent := sys.modules.get("tensorflow.keras")) is not None:
            monkeypatch.delattr(parent, topic, raising=False)
        monkeypatch.delitem(sys.modules, f"tensorflow.keras.{topic}", raising=False)
        names[topic] = dict(vars(importlib.import_module(f"keras.{topic}")))
    legacy.install()
    yield names
    patching.restore_all()
    sessions.forget()


@pytest.mark.parametrize("name", _ACTIVITIES)
def test_old_regularizers_of_activities_are_summed_in_tensorflow_keras_too(installed, name):
    for module in copies_of("regularizers"):
        factors, expected = _ACTIVITIES[name]
        regularizer = getattr(module, name)(*factors)
        assert isinstance(regularizer, SummedOverBatch), module.__name__
        layer = keras.layers.Activation("linear", activity_regularizer=regularizer)
        layer(np.full((2, 3), 2.0, np.float32))
        assert float(layer.losses[0]) == pytest.approx(expected), module.__name__


def test_l1_l2_of_tensorflow_keras_warns_of_its_default(installed):
    for module in copies_of("regularizers"):
        with pytest.warns(UserWarning, match=r"l2 has the default 0 in Keras 3"):
            assert module.l1_l2(l1=0.5).l2 == 0


@pytest.mark.parametrize("topic", _TOPICS)
def test_names_of_keras_that_are_replaced_or_added_are_so_in_each_copy(originals, topic):
    module, *copies = copies_of(topic)
    former = originals[topic]
    for name, value in vars(module).items():
        only_in_keras = name in star_names(f"keras.{topic}") or isinstance(value, types.ModuleType)
        if only_in_keras or name.startswith("__") or former.get(name) is value:
            continue
        for copy in copies:
            got = getattr(copy, name, None)
            if value.__module__ == stand_ins.__name__ and got is not None:
                continue  # a function of `tf.keras.backend` that other backends do not have
            assert got is not former.get(name), f"{copy.__name__}.{name}"
            if name != "function":  # `tf.keras.backend.function` takes other arguments
                assert got.__module__ == value.__module__, f"{copy.__name__}.{name}"
                assert got.__qualname__ == value.__qualname__, f"{copy.__name__}.{name}"
