"""`install()`: adds the functions of `keras.backend` in Keras 1 and 2."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import copies_of, tf_keras_module
from keras_bigdata.legacy.backend import (
    arithmetic,
    arrays,
    control_flow,
    functions,
    gradients,
    image_format,
    learning_phase,
    networks,
    random_numbers,
    reductions,
    running_layers,
    sessions,
    variable_operators,
    variables,
)
from keras_bigdata.legacy.backend.dispatch import on_symbolic_tensors
from keras_bigdata.legacy.backend.old_arguments import with_old_arguments
from keras_bigdata.legacy.patching import add_name, replace
from keras_bigdata.legacy.stand_ins import explaining
from keras_bigdata.old_keras.backend_functions import REMOVED, advice
from keras_bigdata.old_keras.public_names import all_names

# Written with `keras.ops`: TensorFlow's own function is preferred where there is one.
_FOR_EVERY_BACKEND = (
    arithmetic,
    arrays,
    control_flow,
    networks,
    random_numbers,
    reductions,
)
# TensorFlow's function differs from the one of Keras 1 and 2, or fails on Keras's variables.
_OWN = (functions, gradients, image_format, learning_phase, sessions, variables)
_OWN_NAMES = {"int_shape", "ndim", "dtype", "count_params", "switch", "batch_dot"}
_PRIVATE_TO_TOPICS = {
    "install",
    "current_phase",
    "reset_learning_phase",
    "forget",
    "tf_keras_function",
}
_CLASSES = {"Function"}


def install() -> None:
    """Adds the functions to `keras.backend` and `tf.keras.backend`."""
    learning_phase.install()
    running_layers.install()
    variable_operators.install()
    is_tensorflow = keras.backend.backend() == "tensorflow"
    available = backend_functions(tf_keras_module("backend") if is_tensorflow else None)
    for module in copies_of("backend"):
        is_tf_keras = module is not keras.backend and hasattr(module, "sum")
        for name, value in available.items():
            if is_tf_keras and name == "function":
                value = functions.tf_keras_function  # noqa: PLW2901
            replace(module, name, value)
        if is_tensorflow:
            import tensorflow as tf

            replace(module, "tf", tf)
        for name in sorted(all_names("keras.backend") | set(REMOVED)):
            add_name(module, name, explaining(f"keras.backend.{name}", advice(name)))


def backend_functions(tensorflow: ModuleType | None) -> dict[str, Any]:
    """Returns the functions by name.

    Args:
        tensorflow: `tf.keras.backend`, if TensorFlow is the backend.
    """
    found: dict[str, Any] = {}
    for topic in (*_FOR_EVERY_BACKEND, *_OWN):
        found |= _functions_of(topic)
    found["Function"] = functions.Function
    if tensorflow is not None:
        own = {name for topic in _OWN for name in _functions_of(topic)} | _OWN_NAMES | _CLASSES
        present = set(vars(keras.backend)) - set(found)
        for name in all_names("keras.backend") | {"rnn", "map_fn"}:
            concrete = getattr(tensorflow, name, None)
            if concrete is None or name in own | present:
                continue
            symbolic = found.get(name)
            found[name] = on_symbolic_tensors(concrete, symbolic) if symbolic else concrete
    return {name: with_old_arguments(name, value) for name, value in found.items()}


def _functions_of(topic: ModuleType) -> dict[str, Callable[..., Any]]:
    return {
        name: value
        for name, value in vars(topic).items()
        if callable(value)
        and not isinstance(value, type)
        and getattr(value, "__module__", "") == topic.__name__
        and not name.startswith("_")
        and name not in _PRIVATE_TO_TOPICS
    }
