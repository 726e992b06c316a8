"""`model.add_loss` with a symbolic tensor, and `layer.add_loss(loss, inputs=...)`.

Keras 3 takes losses in the `call` of a layer only. Here the tensor of a model, such as a
variational autoencoder, becomes a model from the inputs to the loss, which is called with each
batch. Layers between them are computed a second time.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import functional_class
from keras_bigdata.legacy.patching import wrap

# Model -> its losses, as models. Attributes of a model would be saved with it.
_losses: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


def install() -> None:
    """Makes functional models take symbolic losses, and layers the argument `inputs`."""
    wrap(keras.Layer, "add_loss", _without_inputs)  # before the models, which inherit it
    functional = functional_class()
    if functional is not None:
        wrap(functional, "add_loss", _with_symbolic_losses)
        wrap(functional, "call", _adding_losses)


def _without_inputs(add_loss: Any) -> Any:
    @functools.wraps(add_loss)
    def add_loss_of_inputs(self: Any, loss: Any = None, inputs: Any = None, **kwargs: Any) -> None:
        """Adds a loss. `inputs` said in a graph which inputs it depends on, and has no effect."""
        if loss is None:
            loss = kwargs.pop("losses", None)  # its name in Keras 2
        if loss is not None:
            add_loss(self, loss, **kwargs)

    return add_loss_of_inputs


def _with_symbolic_losses(add_loss: Any) -> Any:
    @functools.wraps(add_loss)
    def add_symbolic_loss(self: Any, loss: Any, *args: Any, **kwargs: Any) -> None:
        tensors = keras.tree.flatten(loss)
        if not tensors or not all(isinstance(one, keras.KerasTensor) for one in tensors):
            add_loss(self, loss, *args, **kwargs)
            return
        for tensor in tensors:
            if len(tensor.shape):
                raise ValueError(
                    "add_loss: a loss must be a scalar. Received: a tensor of shape "
                    f"{tensor.shape}. Pass K.mean(loss) or K.sum(loss)."
                )
            _losses.setdefault(self, []).append(keras.Model(self.inputs, tensor))

    return add_symbolic_loss


def _adding_losses(call: Any) -> Any:
    @functools.wraps(call)
    def call_and_add_losses(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = call(self, inputs, *args, **kwargs)
        models = _losses.get(self, ())
        is_symbolic = any(isinstance(t, keras.KerasTensor) for t in keras.tree.flatten(inputs))
        if models and not is_symbolic:
            training = kwargs.get("training", args[0] if args else None)
            for model in models:
                keras.Layer.add_loss(self, model(inputs, training=training))
        return outputs

    return call_and_add_losses
