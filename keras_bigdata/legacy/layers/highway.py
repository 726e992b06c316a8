"""`Highway` of Keras 1."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("keras_bigdata")
class Highway(keras.Layer):
    """A dense layer whose outputs are mixed with its inputs by a learned gate, as in Keras 1.

    Args:
        activation: the activation of the dense layer. Defaults to `None`, the identity.
        kernel_initializer, kernel_regularizer, bias_regularizer, kernel_constraint,
            bias_constraint, use_bias: as in `keras.layers.Dense`; those of the gate are fixed.
        **kwargs: the arguments of `keras.Layer`.

    Input and output shape: `(batch, input_dim)`.

    Example:

    ```python
    from keras_bigdata.legacy.layers import Highway

    layer = Highway(activation="tanh")
    ```
    """

    def __init__(
        self,
        activation: Any = None,
        *,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.use_bias = use_bias

    def build(self, input_shape: Any) -> None:
        """Adds the weights, in the order of Keras 1."""
        size = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size, size),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.gate_kernel = self.add_weight(
            name="gate_kernel", shape=(size, size), initializer=self.kernel_initializer
        )
        self.bias = self.gate_bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(size,),
                initializer="zeros",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
            self.gate_bias = self.add_weight(name="gate_bias", shape=(size,), initializer="ones")

    def call(self, inputs: Any) -> Any:
        """Returns the mixture of the dense layer and of the inputs."""
        gate = keras.ops.matmul(inputs, self.gate_kernel)
        outputs = keras.ops.matmul(inputs, self.kernel)
        if self.use_bias:
            gate += self.gate_bias
            outputs += self.bias
        gate = keras.ops.sigmoid(gate)
        return self.activation(outputs) * gate + (1 - gate) * inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "use_bias": self.use_bias,
        }
