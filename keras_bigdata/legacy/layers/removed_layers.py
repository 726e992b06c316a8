"""Adds the layers that Keras 3 does not have to `keras.layers`."""

from __future__ import annotations

from typing import Any

from keras_bigdata.keras_internals.legacy import copies_of, tf_keras_module
from keras_bigdata.legacy.layers.constructors import wrap_constructor
from keras_bigdata.legacy.layers.highway import Highway
from keras_bigdata.legacy.layers.locally_connected import LocallyConnected1D, LocallyConnected2D
from keras_bigdata.legacy.layers.maxout_dense import MaxoutDense
from keras_bigdata.legacy.layers.merge import Merge, merge
from keras_bigdata.legacy.patching import add_name

_LAYERS = (Highway, LocallyConnected1D, LocallyConnected2D, MaxoutDense)


def install() -> None:
    """Adds the classes and `merge`, where there are none."""
    tf_layers: Any = tf_keras_module("layers")
    for module in copies_of("layers"):
        for layer in _LAYERS:
            add_name(module, layer.__name__, layer)
        add_name(module, "Merge", Merge)
        add_name(module, "merge", merge)
        if hasattr(tf_layers, "ThresholdedReLU"):
            add_name(module, "ThresholdedReLU", tf_layers.ThresholdedReLU)
    for layer in _LAYERS:
        wrap_constructor(layer.__name__, layer)
