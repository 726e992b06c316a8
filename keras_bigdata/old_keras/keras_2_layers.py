"""Arguments of layers that Keras 3 refuses, and default values that it has changed."""

from __future__ import annotations

# `SeparableConv` and `DepthwiseConv` of Keras 2 took them without an effect.
IGNORED_KERNEL_ARGUMENTS = frozenset(
    {"kernel_initializer", "kernel_regularizer", "kernel_constraint"}
)

# Positional arguments of `Layer.add_weight` in Keras 1 and in Keras 2, in their order.
ADD_WEIGHT_1 = ("shape", "initializer", "name", "trainable", "regularizer", "constraint")
ADD_WEIGHT_2 = (
    *("name", "shape", "dtype", "initializer", "regularizer", "trainable", "constraint"),
)

# Layers with gates whose activation was `hard_sigmoid` by default in `keras` 1 and 2, and the
# position of `recurrent_activation`.
HARD_GATES = {"LSTM": 2, "GRU": 2, "LSTMCell": 2, "GRUCell": 2}
