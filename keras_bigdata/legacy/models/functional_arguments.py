"""`Model(input=, output=)` as in Keras 1, and `Model([x], [y])` as in Keras 1 and 2.

Also gives several outputs of one layer different names, as tf.keras did. In Keras 3 they have the
name of the layer, and the loss of the last one is logged as that of each.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import copies_of, functional_class
from keras_bigdata.legacy.patching import replace, wrap
from keras_bigdata.old_keras.method_arguments import RENAMED_MODEL_ARGUMENTS


def install() -> None:
    """Makes `Model`, and subclasses that call its constructor, take both, and name outputs."""
    # The class is chosen by the names of the arguments, before the constructor is called.
    former_new = keras.Model.__new__

    def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return former_new(cls, *args, **_renamed(kwargs))

    replace(keras.Model, "__new__", staticmethod(new))
    wrap(keras.Model, "__init__", _with_old_names)
    functional = functional_class()
    if functional is not None:
        wrap(functional, "__init__", _with_old_names)
        wrap(functional, "__init__", _with_unique_output_names)
        wrap(functional, "__call__", _with_list_of_one)
    for module in copies_of("models"):
        wrap(module, "clone_model", _with_tensors_in_list)


def _with_old_names(initialize: Any) -> Any:
    @functools.wraps(initialize)
    def initialize_with_old_names(self: Any, *args: Any, **kwargs: Any) -> None:
        named = {
            name: _without_list(value) if name in RENAMED_MODEL_ARGUMENTS.values() else value
            for name, value in _renamed(kwargs).items()
        }
        initialize(self, *(_without_list(value) for value in args), **named)

    return initialize_with_old_names


def _with_unique_output_names(initialize: Any) -> Any:
    @functools.wraps(initialize)
    def initialize_with_unique_output_names(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        unique: list[str] = []
        for name in self.output_names:
            number = 0
            while (numbered := f"{name}_{number}" if number else name) in unique:
                number += 1
            unique.append(numbered)
        self.output_names = unique

    return initialize_with_unique_output_names


def _without_list(tensors: Any) -> Any:
    """Returns the only tensor of a list.

    `Model([x], [y])` had the `input` and `output` of `Model(x, y)`, and returned a tensor when it
    was called. Keras 3 returns lists from a model that was made with lists.
    """
    is_single = isinstance(tensors, list | tuple) and len(tensors) == 1
    return tensors[0] if is_single and isinstance(tensors[0], keras.KerasTensor) else tensors


def _with_list_of_one(call: Any) -> Any:
    @functools.wraps(call)
    def call_with_list_of_one(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        is_single = isinstance(inputs, list | tuple) and len(inputs) == 1
        if is_single and not isinstance(self.input, list | tuple | dict):
            inputs = inputs[0]
        return call(self, inputs, *args, **kwargs)

    return call_with_list_of_one


def _with_tensors_in_list(clone_model: Any) -> Any:
    @functools.wraps(clone_model)
    def clone_with_tensors_in_list(model: Any, input_tensors: Any = None, **kwargs: Any) -> Any:
        if not isinstance(getattr(model, "input", None), list | tuple | dict):
            input_tensors = _without_list(input_tensors)
        return clone_model(model, input_tensors, **kwargs)

    return clone_with_tensors_in_list


def _renamed(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    if "input" not in kwargs and "output" not in kwargs:
        return dict(kwargs)
    for old, new in RENAMED_MODEL_ARGUMENTS.items():
        if old in kwargs and new in kwargs:
            raise TypeError(f"Model() got {new!r} twice: as {old}= and as {new}=")
    return {RENAMED_MODEL_ARGUMENTS.get(name, name): value for name, value in kwargs.items()}
