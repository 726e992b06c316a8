"""`self.kernel = ...` in subclasses of Keras's layers: spectral normalization, tied weights.

In Keras 1 and 2 the kernel was an attribute that `build` set. In Keras 3 it is a property.
"""

from __future__ import annotations

from typing import Any

import keras

from keras_bigdata.legacy.patching import defining_class, replace

_ATTRIBUTE = "_keras_bigdata_{}"


def install() -> None:
    """Makes the kernel of dense layers and convolutions, and embeddings, settable."""
    for layer, name in (
        (keras.layers.Dense, "kernel"),
        (keras.layers.Conv2D, "kernel"),
        (keras.layers.DepthwiseConv2D, "kernel"),
        (keras.layers.Embedding, "embeddings"),
    ):
        owner = defining_class(layer, name) if hasattr(layer, name) else None
        former = vars(owner)[name] if owner is not None else None
        if isinstance(former, property) and former.fset is None:
            replace(owner, name, _settable(former, name))


def _settable(former: property, name: str) -> property:
    attribute = _ATTRIBUTE.format(name)

    def get(self: Any) -> Any:
        value = vars(self).get(attribute)
        if value is None:
            assert former.fget is not None
            value = former.fget(self)
        return value

    def set_value(self: Any, value: Any) -> None:
        if isinstance(value, keras.Variable) and not hasattr(self, f"_{name}"):
            setattr(self, f"_{name}", value)  # which Keras saves
        object.__setattr__(self, attribute, value)

    return property(get, set_value, doc=former.__doc__)
