"""Trains what was trainable when the model was compiled, as Keras 1 and 2 did.

The usual script of a GAN relies on it:

    discriminator.compile(...)
    discriminator.trainable = False
    both = Model(noise, discriminator(generator(noise)))
    both.compile(...)

Here `discriminator.train_on_batch` trains the discriminator, and `both.train_on_batch` does not.
Keras 3 reads `trainable` when it trains, so the discriminator never learns anything.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras

from keras_bigdata.keras_internals.layers import all_layers
from keras_bigdata.legacy.calling_script import keras_root
from keras_bigdata.legacy.patching import defining_class, wrap
from keras_bigdata.legacy.training.frozen_statistics import batch_statistics_if

# Attributes of a model. They are set past `Layer.__setattr__`, which would track the layers twice.
_STATE = "_keras_bigdata_trainable_at_compile"
_ROOT = "_keras_bigdata_keras_root"


def install() -> None:
    """Makes `compile` record what is trainable, and training use that."""
    wrap(defining_class(keras.Model, "compile"), "compile", _recording_compile)
    for name in ("fit", "train_on_batch"):
        wrap(keras.Model, name, _training_as_compiled)


def keras_root_at_compile(model: Any) -> str:
    """Returns where the script that compiled a model imports Keras from (see `keras_root`)."""
    return str(vars(model).get(_ROOT, ""))


def _recording_compile(compile_model: Any) -> Any:
    @functools.wraps(compile_model)
    def compile(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = compile_model(self, *args, **kwargs)
        object.__setattr__(self, _ROOT, keras_root())
        flags = [(layer, layer.trainable) for layer in all_layers(self) if layer is not self]
        object.__setattr__(self, _STATE, (self.trainable, flags))
        return result

    return compile


def _training_as_compiled(train: Any) -> Any:
    @functools.wraps(train)
    def train_as_compiled(self: Any, *args: Any, **kwargs: Any) -> Any:
        is_keras = keras_root_at_compile(self) == "keras"
        with _as_compiled(self), batch_statistics_if(is_keras):
            return train(self, *args, **kwargs)

    return train_as_compiled


@contextlib.contextmanager
def _as_compiled(model: Any) -> Iterator[None]:
    """Sets `trainable` of all layers to what it was at `compile`, for the duration of the block.

    Layers that were added since, and layers whose `trainable` is changed within the block (by a
    callback), keep what they have.
    """
    own_and_others = vars(model).get(_STATE)
    if own_and_others is None:
        yield
        return
    own, others = own_and_others
    compiled = [(model, own), *others]
    current = [(layer, layer.trainable) for layer, _ in compiled]
    if all(before == flag for (_, before), (_, flag) in zip(current, compiled, strict=True)):
        yield
        return
    _set(compiled)
    try:
        yield
    finally:
        _set(
            before
            for before, (layer, flag) in zip(current, compiled, strict=True)
            if layer.trainable == flag
        )


def _set(flags: Any) -> None:
    # Setting it on a layer sets it on all layers within, which come later and are corrected then.
    for layer, flag in flags:
        if layer.trainable != flag:
            layer.trainable = flag
