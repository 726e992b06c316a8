"""`gradients` of symbolic tensors, such as those for saliency maps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_bigdata.keras_internals.legacy import node_tensors


def gradients(loss: Any, variables: Any) -> list[Any]:
    """Returns the gradient of a symbolic loss with respect to symbolic tensors.

    They are symbolic too: `function([model.input], [loss, *gradients(loss, [model.input])])`.

    Args:
        loss: a symbolic tensor, which is summed.
        variables: the input of a model, `layer.output`, or a list of these. On TensorFlow also
            tensors within a loss function, from which the loss is computed.

    Raises:
        NotImplementedError: if one of them is not a symbolic tensor, such as a weight, or a tensor
            in a loss function on another backend.
    """
    tensors = list(variables) if isinstance(variables, list | tuple) else [variables]
    if _are_in_a_graph((loss, *tensors)):
        import tensorflow as tf

        return list(tf.gradients(loss, tensors))
    if not all(isinstance(x, keras.KerasTensor) for x in (loss, *tensors)):
        raise NotImplementedError(
            "keras.backend.gradients: works for symbolic tensors only, such as model.input "
            "and layer.output. For weights, or within a loss function, write a keras.Model with "
            "its own train_step and use the gradients of the backend (tf.GradientTape, jax.grad, "
            "torch.autograd)."
        )
    return [_Gradient.of(loss, tensor) for tensor in tensors]


def _are_in_a_graph(tensors: tuple[Any, ...]) -> bool:
    """Whether tensors belong to a function that TensorFlow compiles, such as a training step."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return all(tf.is_symbolic_tensor(x) for x in tensors)


class _Gradient(keras.layers.Layer):
    """The gradient of the first output of a model with respect to its first input.

    Args:
        model: the model; it is not trained by this layer.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        # A function, so that the model is not tracked: its weights belong to other models.
        self._get_model: Callable[[], Any] = lambda: model

    @classmethod
    def of(cls, loss: Any, tensor: Any) -> Any:
        """Returns the symbolic gradient."""
        tensors, model = [tensor], None
        # Each `add` of a Sequential calls all layers again: `layer.output` is of the first call.
        outputs = node_tensors(tensor._keras_history.operation, "output")
        for other in [tensor, *(each[0] for each in outputs if len(each) == 1)]:
            with contextlib.suppress(ValueError):
                tensors, model = [other], keras.Model([other], loss)
                break
        if model is None:  # the loss depends on the inputs in another way too
            others = keras.utils.get_source_inputs(loss)
            tensors += [x for x in others if x is not tensor]
            model = keras.Model(tensors, loss)
        layer: Any = cls(model)
        return layer(tensors)

    def call(self, inputs: Any) -> Any:
        """Returns the gradient."""
        model = self._get_model()

        def loss_of(x: Any) -> Any:
            return ops.sum(model([x, *inputs[1:]] if len(inputs) > 1 else [x], training=False))

        x = ops.convert_to_tensor(inputs[0])
        match keras.backend.backend():
            case "tensorflow":
                import tensorflow as tf

                with tf.GradientTape() as tape:
                    tape.watch(x)
                    loss = loss_of(x)
                return tape.gradient(loss, x)
            case "jax":
                import jax

                return jax.grad(loss_of)(x)
            case "torch":
                import torch

                with torch.enable_grad():
                    leaf = x.detach().requires_grad_(True)
                    return torch.autograd.grad(loss_of(leaf), leaf)[0]
        raise NotImplementedError(
            f"keras.backend.gradients is not implemented for {keras.backend.backend()}."
        )

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the shape and dtype of the first input."""
        return keras.KerasTensor(inputs[0].shape, dtype=inputs[0].dtype)
