"""`model.layers.pop()` and `model.get_layer` as in Keras 1 and 2."""

from __future__ import annotations

import functools
import re
import warnings
import weakref
from typing import Any, SupportsIndex

import keras

from keras_bigdata.keras_internals.legacy import functional_class
from keras_bigdata.legacy.calling_script import default_keras_version
from keras_bigdata.legacy.patching import replace, wrap

# The layers that were removed from `model.layers`.
_removed: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()

_NUMBERED = re.compile(r"(.+)_([1-9]\d*)")
# Default names of layers in Keras 1 and 2, and in Keras 3 where they differ.
_PREFIXES = {
    "input": "input_layer",
    "model": "functional",
    "convolution1d": "conv1d",
    "convolution2d": "conv2d",
    "convolution3d": "conv3d",
    "maxpooling1d": "max_pooling1d",
    "maxpooling2d": "max_pooling2d",
    "averagepooling2d": "average_pooling2d",
    "zeropadding2d": "zero_padding2d",
    "upsampling2d": "up_sampling2d",
    "batchnormalization": "batch_normalization",
}


def install() -> None:
    """Makes `layers.pop()` remove a layer, and `get_layer` find the default names of layers."""
    wrap(keras.Model, "get_layer", _get_layer)
    functional = functional_class()
    if functional is not None:
        _replace_layers(functional, RemovableLayers)
    _replace_layers(keras.Sequential, _CopiedLayers)


class _CopiedLayers(list[Any]):
    """The layers of a `Sequential`: a copy of which removing an element has no effect."""

    def pop(self, index: SupportsIndex = -1) -> Any:
        """Removes an element of the copy, with a warning."""
        warnings.warn(
            "`model.layers.pop()` does not change a Sequential: `layers` is a copy of the list. It "
            "was the list itself in Keras 1. Call `model.pop()` to remove the last layer.",
            stacklevel=2,
        )
        return super().pop(index)


class RemovableLayers(list[Any]):
    """The layers of a functional model, which forgets those that are removed from the list.

    As in Keras 2, the outputs of the model stay the same; `model.layers[-1].output` is then that of
    the layer before.
    """

    model: Any = None

    def pop(self, index: SupportsIndex = -1) -> Any:
        """Removes a layer from this list and from later ones of the same model."""
        layer = super().pop(index)
        _removed.setdefault(self.model, []).append(layer)
        return layer


def _replace_layers(owner: Any, list_class: Any) -> None:
    former = vars(owner)["layers"]

    def layers(model: Any) -> Any:
        removed = _removed.get(model, ())
        found = list_class(
            layer for layer in former.fget(model) if not any(layer is each for each in removed)
        )
        if list_class is RemovableLayers:
            found.model = model
        return found

    replace(owner, "layers", property(layers, former.fset))


def _get_layer(former: Any) -> Any:
    @functools.wraps(former)
    def get_layer(self: Any, name: Any = None, index: Any = None) -> Any:
        if index is not None:
            return former(self, index=index)  # as in Keras 2, also if there is a name
        if not isinstance(name, str):
            return former(self, name=name)
        names = [layer.name for layer in self.layers]
        shifted = _name_in_keras_3(name)
        if shifted not in names or (name in names and default_keras_version() != 1):
            if shifted in names:
                warnings.warn(
                    f"get_layer({name!r}): Keras 3 and tf.keras name the first layer of a kind "
                    f"without a number, so this is {name!r}. Keras 1 and 2 counted from 1: there "
                    f"it was the layer that is now {shifted!r}. Name the layers in their "
                    "constructors, or call legacy.install(keras=1) for the latter.",
                    stacklevel=2,
                )
            return former(self, name=name)
        return former(self, name=shifted)

    return get_layer


def _name_in_keras_3(name: str) -> str | None:
    """Returns the name that Keras 3 gives to a layer that Keras 1 and 2 called `name`."""
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return None
    prefix, number = _PREFIXES.get(match[1], match[1]), int(match[2])
    return prefix if number == 1 else f"{prefix}_{number - 1}"
