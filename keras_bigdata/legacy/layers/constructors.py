"""The constructors of Keras's layers, with the arguments and under the names of Keras 1."""

from __future__ import annotations

import functools
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import copies_of
from keras_bigdata.legacy.layers import arguments, base_layer
from keras_bigdata.legacy.layers.batch_normalization import MODES
from keras_bigdata.legacy.layers.deconvolution import set_output_shape
from keras_bigdata.legacy.layers.embedding import DropoutEmbedding
from keras_bigdata.legacy.layers.signatures import wraps_constructor
from keras_bigdata.legacy.patching import replace, wrap
from keras_bigdata.old_keras.layers import LAYERS

# What the constructors of the spatial dropouts do not take, although `Layer` does.
_MISSING_IN_SPATIAL_DROPOUT = ("input_shape", "batch_input_shape", "trainable")


class OldName:
    """Stands for a class of Keras 3 under a name of Keras 1.

    A call takes the arguments of Keras 1. Everything else is as with the class: attributes,
    `isinstance`, and subclasses.

    Args:
        name: the old name.
        target: the class.
    """

    def __init__(self, name: str, target: type) -> None:
        self.__name__ = self.__qualname__ = name
        self.__doc__ = f"`{target.__name__}` with the arguments of Keras 1."
        self._target = target

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a layer."""
        new_args, new_kwargs = arguments.convert_call(self.__name__, args, kwargs, is_old_name=True)
        return self._target(*new_args, **new_kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (self._target,)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, self._target)

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self._target)

    def __repr__(self) -> str:
        return f"<{self.__name__}: {self._target.__name__} with the arguments of Keras 1>"


def install() -> None:
    """Makes the constructors accept old arguments, and adds the old names of classes."""
    arguments.forget_calls()
    for name, layer in LAYERS.items():
        if layer.is_built_here:
            continue
        target = getattr(keras.layers, layer.target)
        if layer.is_old_name:
            old_name = OldName(name, target)
            for module in copies_of("layers"):
                replace(module, name, old_name)
        else:
            wrap_constructor(name, target)


def wrap_constructor(name: str, target: type) -> None:
    """Makes the constructor of a class accept the arguments of Keras 1.

    Args:
        name: its name in the table of old layers.
        target: the class.
    """
    wrap(target, "__init__", functools.partial(_with_old_arguments, name, target))


def _check_class(layer: Any, target: type) -> None:
    if type(layer) is not target:
        raise TypeError(
            f"{type(layer).__name__}: `mode` of BatchNormalization and `dropout` of Embedding are "
            "supported for Keras's own classes, not for classes derived from them."
        )


def _with_old_arguments(name: str, target: type, initialize: Any) -> Any:
    @wraps_constructor(initialize)
    def initialize_with_old_arguments(self: Any, *args: Any, **kwargs: Any) -> None:
        args, kwargs = arguments.convert_call(name, args, kwargs)  # type: ignore[assignment]
        mode = kwargs.pop(arguments.NORMALIZATION_MODE, None)
        dropout = kwargs.pop(arguments.EMBEDDING_DROPOUT, None)
        output_shape = kwargs.pop(arguments.OUTPUT_SHAPE, None)
        if mode or dropout:
            _check_class(self, target)
            object.__setattr__(self, "__class__", MODES[mode] if mode else DropoutEmbedding)
        shape = None
        if name.startswith("SpatialDropout"):
            given = {key: kwargs.pop(key, None) for key in _MISSING_IN_SPATIAL_DROPOUT}
            shape = given["batch_input_shape"]
            if shape is None and given["input_shape"] is not None:
                shape = (None, *given["input_shape"])
        initialize(self, *args, **kwargs)
        if shape is not None:
            base_layer.set_batch_shape(self, shape)
        if dropout:
            self.set_dropout(dropout)
        if output_shape is not None:
            set_output_shape(self, output_shape)

    return initialize_with_old_arguments
