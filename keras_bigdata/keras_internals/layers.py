"""All layers of a model, also those that other layers hold."""

from __future__ import annotations

from typing import Any


def all_layers(model: Any) -> list[Any]:
    """Returns a model and all layers in it, each before the layers that it contains.

    Finds: `keras.Layer._flatten_layers`.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. `model.layers` has neither the layers of nested models nor those within
    wrappers and custom layers.

    Without it: the layers of the model and of nested models.
    """
    flatten = getattr(model, "_flatten_layers", None)
    if flatten is not None:
        return list(flatten())
    layers = [model]
    for layer in getattr(model, "layers", ()):
        layers += all_layers(layer)
    return layers
