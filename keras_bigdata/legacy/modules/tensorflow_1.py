"""Names and arguments of TensorFlow 1 in scripts: `tf.Session`, `tf.log`, `softmax(dim=1)`."""

from __future__ import annotations

import importlib
import types
from typing import Any

import keras

from keras_bigdata.legacy.backend import sessions
from keras_bigdata.legacy.patching import add_name, replace
from keras_bigdata.legacy.renamed_arguments import with_old_names
from keras_bigdata.legacy.stand_ins import explaining
from keras_bigdata.old_keras.tensorflow_names import COMPATIBLE_NAMES, RENAMED_ARGUMENTS

_REMOVED = {
    "placeholder": "was removed from TensorFlow: write keras.Input(batch_shape=shape).",
    "get_variable": "was removed from TensorFlow: write keras.Variable(value).",
    "layers": "was removed from TensorFlow: use keras.layers.",
}


def install() -> None:
    """Adds the names and arguments to `tensorflow`, if it is the backend."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    for name, value in _sessions().items():
        add_name(tf, name, value)
    for name, advice in _REMOVED.items():
        add_name(tf, name, explaining(f"tensorflow.{name}", advice))
    for module_name, names in COMPATIBLE_NAMES.items():
        module = importlib.import_module(module_name)
        compatible = importlib.import_module(
            module_name.replace("tensorflow", "tensorflow.compat.v1", 1)
        )
        for name in names:
            if hasattr(compatible, name):
                add_name(module, name, getattr(compatible, name))
    for module_name, functions in RENAMED_ARGUMENTS.items():
        module = importlib.import_module(module_name)
        for name, arguments in functions.items():
            replace(module, name, with_old_names(getattr(module, name), name, arguments))
    add_name(tf, "python", _InternalModule("tensorflow.python"))


def _sessions() -> dict[str, Any]:
    graph = sessions.Graph()
    return {
        "Session": sessions.Session,
        "InteractiveSession": sessions.Session,
        "get_default_graph": lambda: graph,
        "get_default_session": sessions.get_session,
        "reset_default_graph": keras.utils.clear_session,
        "global_variables_initializer": sessions.NoOperation,
        "local_variables_initializer": sessions.NoOperation,
        "initialize_all_variables": sessions.NoOperation,
        "tables_initializer": sessions.NoOperation,
    }


class _InternalModule(types.ModuleType):
    """Stands for `tf.python`, which TensorFlow hides, and takes what is assigned to it.

    `tf.python.control_flow_ops = tf` made Keras 1.1 run on TensorFlow 0.12. It must not reach
    TensorFlow's own modules.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for module in (self.__name__, f"{self.__name__}.ops"):
            try:
                return importlib.import_module(f"{module}.{name}")
            except ImportError:
                continue
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
