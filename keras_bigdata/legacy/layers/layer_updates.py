"""`layer.add_update`, and `rnn.reset_states(states)`: variables that change besides training."""

from __future__ import annotations

import functools
from typing import Any

import keras

from keras_bigdata.legacy.backend.learning_phase import current_phase
from keras_bigdata.legacy.backend.running_layers import after_call
from keras_bigdata.legacy.patching import add_name, wrap


def install() -> None:
    """Adds the method, and the argument."""
    add_name(keras.Layer, "add_update", add_update)
    wrap(keras.layers.RNN, "reset_states", _resetting_to)


def add_update(self: Any, updates: Any, inputs: Any = None) -> None:
    """Assigns new values to variables when a call of the layer in training ends.

    The outputs are computed with the former values, as in Keras 1 and 2.

    Args:
        self: a layer that calls this in its `call`.
        updates: a pair of a variable and its new value, or a list of pairs. What `K.update` and
            similar functions return is left alone: they have assigned the value.
        inputs: said which inputs the update depends on, and has no effect.
    """
    if not current_phase() or not self.trainable:
        return
    pairs = [updates] if isinstance(updates, tuple) else updates
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], keras.Variable):
            variable, value = pair
            after_call(functools.partial(variable.assign, value))


def _resetting_to(reset_states: Any) -> Any:
    @functools.wraps(reset_states)
    def reset_states_to(self: Any, states: Any = None) -> None:
        """Sets the states of a stateful layer to 0, or to an array for each of them."""
        reset_states(self)
        if states is None:
            return
        values = list(states) if isinstance(states, list | tuple) else [states]
        variables = keras.tree.flatten(self.states)
        if len(values) != len(variables):
            raise ValueError(
                f"Layer {self.name} has {len(variables)} states. Received: {len(values)} values"
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    return reset_states_to
