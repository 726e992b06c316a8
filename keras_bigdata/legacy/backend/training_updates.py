"""`optimizer.get_updates`, whose result a `keras.backend.function` runs as a training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_bigdata.legacy.patching import add_name


def install() -> None:
    """Adds `get_updates` to the optimizers of Keras."""
    add_name(keras.optimizers.Optimizer, "get_updates", get_updates)


class TrainingUpdate:
    """One step of an optimizer.

    Args:
        optimizer: the optimizer.
        loss: a symbolic tensor, which is summed.
        variables: the variables that are trained.
    """

    def __init__(self, optimizer: Any, loss: Any, variables: list[Any]) -> None:
        self.optimizer = optimizer
        self.loss = loss
        self.variables = variables

    def run(self, compute: Callable[[], list[Any]], number: int) -> list[Any]:
        """Trains the variables by one step.

        Args:
            compute: a function that returns a list of tensors.
            number: the place of the loss in this list.

        Returns:
            The list, computed before the step.
        """
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                results = compute()
                total = ops.sum(results[number])
            gradients = tape.gradient(total, [each.value for each in self.variables])
        else:
            import torch

            results = compute()
            values = [each.value for each in self.variables]
            total = ops.sum(results[number])
            gradients = torch.autograd.grad(total, values, allow_unused=True)
        with_gradient = [
            (gradient, variable)
            for gradient, variable in zip(gradients, self.variables, strict=True)
            if gradient is not None
        ]
        if not with_gradient:
            raise ValueError("get_updates: the loss depends on none of the variables.")
        self.optimizer.apply_gradients(with_gradient)
        return results


def get_updates(self: Any, *args: Any, **kwargs: Any) -> list[TrainingUpdate]:
    """Returns a step of the optimizer, for the argument `updates` of `keras.backend.function`.

    Args:
        self: the optimizer.
        *args: `loss, params` as in Keras 2, or `params, constraints, loss` as in Keras 1.
        **kwargs: the same by name. Constraints are those of the variables.
    """
    names = ("params", "constraints", "loss") if len(args) == 3 else ("loss", "params")
    if len(args) == 2 and isinstance(args[0], list | tuple):
        names = ("params", "constraints") if "loss" in kwargs else ("params", "loss")
    named = {**dict(zip(names, args, strict=False)), **kwargs}
    loss, variables = named.get("loss"), named.get("params")
    if not isinstance(loss, keras.KerasTensor) or not isinstance(variables, list | tuple):
        raise TypeError(
            "get_updates: pass a symbolic loss and a list of variables, as "
            "optimizer.get_updates(params=model.trainable_weights, loss=loss). Received: "
            f"loss={loss!r}"
        )
    if keras.backend.backend() == "jax":
        raise NotImplementedError(
            "get_updates: not on JAX. Write a training step with model.train_on_batch, or run the "
            "script on TensorFlow: KERAS_BACKEND=tensorflow."
        )
    return [TrainingUpdate(self, loss, list(variables))]
