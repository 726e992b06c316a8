"""Names of TensorFlow 1 at the top of many scripts: `tf.Session`, `tf.ConfigProto`, `tf.log`."""

from __future__ import annotations

from typing import Any

import keras

from keras_bigdata.legacy.backend import sessions
from keras_bigdata.legacy.patching import add_name
from keras_bigdata.legacy.stand_ins import explaining

# Names that `tf.compat.v1` still has, and that work without a session.
_UNCHANGED = """
    ConfigProto GPUOptions ceil confusion_matrix count_nonzero diag div erf gfile image_resize
    is_finite is_inf is_nan lgamma log log1p logging matrix_diag random_crop random_normal
    random_shuffle random_uniform rsqrt set_random_seed sparse_tensor_to_dense string_split
    to_double to_float to_int32 to_int64 truncated_normal
    """
_REMOVED = {
    "placeholder": "was removed from TensorFlow: write keras.Input(batch_shape=shape).",
    "get_variable": "was removed from TensorFlow: write keras.Variable(value).",
    "layers": "was removed from TensorFlow: use keras.layers.",
    "app": "was removed from TensorFlow: call main() yourself.",
    "flags": "was removed from TensorFlow: use argparse.",
}


def install() -> None:
    """Adds the names to `tensorflow`, if it is the backend."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    for name in _UNCHANGED.split():
        value = getattr(tf.compat.v1, name, None)
        if value is not None:
            add_name(tf, name, value)
    for name, value in _sessions().items():
        add_name(tf, name, value)
    for name, advice in _REMOVED.items():
        add_name(tf, name, explaining(f"tensorflow.{name}", advice))
    # `tf.python.control_flow_ops = tf` stood in scripts of Keras 1.
    import tensorflow.python as tensorflow_python

    add_name(tf, "python", tensorflow_python)


def _sessions() -> dict[str, Any]:
    graph = sessions.Graph()
    return {
        "Session": sessions.Session,
        "InteractiveSession": sessions.Session,
        "get_default_graph": lambda: graph,
        "get_default_session": sessions.get_session,
        "reset_default_graph": keras.utils.clear_session,
        "global_variables_initializer": sessions.Nothing,
        "local_variables_initializer": sessions.Nothing,
        "initialize_all_variables": sessions.Nothing,
        "tables_initializer": sessions.Nothing,
    }
