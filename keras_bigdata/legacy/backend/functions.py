"""`function` and `placeholder`: symbolic tensors computed from arrays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from keras_bigdata.keras_internals.layers import all_layers
from keras_bigdata.legacy.backend.learning_phase import LearningPhase, current_phase
from keras_bigdata.legacy.backend.training_updates import TrainingUpdate
from keras_bigdata.legacy.backend.variables import get_value
from keras_bigdata.legacy.models.constant_inputs import given_inputs, values_of


def placeholder(
    shape: Any = None,
    ndim: int | None = None,
    dtype: str | None = None,
    sparse: bool = False,
    name: str | None = None,
) -> Any:
    """Returns a symbolic tensor, which is an input of `function` or of a model."""
    if shape is None:
        if ndim is None:
            raise ValueError("placeholder: pass `shape` or `ndim`.")
        shape = (None,) * ndim
    return keras.Input(batch_shape=tuple(shape), dtype=dtype, sparse=sparse, name=name)


def is_placeholder(x: Any) -> bool:
    """Whether it is an input of a model or a result of `placeholder`."""
    history = getattr(x, "_keras_history", None)
    return history is not None and isinstance(history.operation, keras.layers.InputLayer)


class Function:
    """Computes symbolic tensors from arrays, as `keras.backend.function` did.

    It ran no updates that were not passed to it: neither in the training phase, of the moving
    averages of BatchNormalization, nor of the states of an RNN. `tf.keras` of TensorFlow 2 called
    the layers instead, which updated the states.

    Args:
        inputs: symbolic tensors; `learning_phase()` may be one of them.
        outputs: symbolic tensors or variables, or one of them.
        returns_list: whether a single output is returned as a list, as `keras` did and `tf.keras`
            did not.
        updates: steps of optimizers, which are run after the outputs were computed.
    """

    def __init__(
        self, inputs: Any, outputs: Any, returns_list: bool, updates: Sequence[TrainingUpdate] = ()
    ) -> None:
        self.inputs = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        self._keeps_states = returns_list
        self._is_single = not isinstance(outputs, list | tuple) and not returns_list
        self.outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        self._tensors = [x for x in self.inputs if not isinstance(x, LearningPhase)]
        for tensor in self._tensors:
            if not isinstance(tensor, keras.KerasTensor):
                raise NotImplementedError(
                    "keras.backend.function: inputs must be symbolic tensors such as model.input, "
                    f"got {type(tensor).__name__}."
                )
        self._updates = list(updates)
        symbolic = [update.loss for update in self._updates]
        symbolic += [x for x in self.outputs if isinstance(x, keras.KerasTensor)]
        given = given_inputs(symbolic, self._tensors)
        self._given = [values_of(tensor) for tensor in given]
        self._model = keras.Model([*self._tensors, *given], symbolic) if symbolic else None

    def __call__(self, inputs: Any) -> Any:
        """Returns the outputs as arrays.

        Args:
            inputs: a value for each input, in their order.
        """
        values = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        if len(values) != len(self.inputs):
            raise ValueError(
                f"keras.backend.function: expected values for {len(self.inputs)} inputs, "
                f"got {len(values)}."
            )
        phase = current_phase()
        arrays = []
        for tensor, value in zip(self.inputs, values, strict=True):
            if isinstance(tensor, LearningPhase):
                phase = int(value)
            else:
                arrays.append(ops.convert_to_tensor(value, dtype=tensor.dtype))
        computed = iter(())
        if self._model is not None:
            with _without_updates(self._model if phase or self._keeps_states else None):
                computed = iter(self._computed([*arrays, *self._given], bool(phase)))
        results = [
            get_value(next(computed) if isinstance(output, keras.KerasTensor) else output)
            for output in self.outputs
        ]
        return results[0] if self._is_single else results

    def _computed(self, arrays: list[Any], training: bool) -> list[Any]:
        """Returns the values of the symbolic outputs, and runs the updates after that."""
        model, count = self._model, len(self._updates)
        assert model is not None

        def losses_and_outputs() -> list[Any]:
            return list(keras.tree.flatten(model(arrays, training=training)))

        if not count:
            return losses_and_outputs()
        results = [
            update.run(losses_and_outputs, number) for number, update in enumerate(self._updates)
        ]
        return results[0][count:]


@contextlib.contextmanager
def _without_updates(model: Any) -> Iterator[None]:
    """Restores after the block what a call in it changes, except the seeds of random numbers."""
    variables: list[Any] = []
    if model is not None:
        # Unlike `non_trainable_variables`, these include neither the seeds nor the states of RNNs.
        variables += model.non_trainable_weights
        for layer in all_layers(model):
            if getattr(layer, "stateful", False):
                variables += keras.tree.flatten(getattr(layer, "states", None) or [])
    values = [ops.copy(variable) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def function(inputs: Any, outputs: Any, updates: Any = None, **kwargs: Any) -> Function:
    """Returns a function that computes `outputs` from values for `inputs`.

    ```python
    activations = K.function([model.input, K.learning_phase()], [model.layers[2].output])
    (values,) = activations([images, 0])
    ```
    """
    return _function(inputs, outputs, updates, returns_list=True)


def tf_keras_function(
    inputs: Any, outputs: Any, updates: Any = None, name: str | None = None, **kwargs: Any
) -> Function:
    """Returns a `Function` as in `tf.keras`, which returns a single output without a list."""
    return _function(inputs, outputs, updates, returns_list=False)


def _function(inputs: Any, outputs: Any, updates: Any, returns_list: bool) -> Function:
    steps = [update for update in updates or () if isinstance(update, TrainingUpdate)]
    if len(steps) < len(updates or ()):
        raise NotImplementedError(
            "keras.backend.function(updates=...): updates of variables in a graph have no "
            "equivalent in Keras 3. Write a training step with model.train_on_batch, or a "
            "keras.Model with its own train_step. What optimizer.get_updates returns can be passed."
        )
    return Function(inputs, outputs, returns_list, steps)
