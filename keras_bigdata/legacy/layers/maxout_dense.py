"""`MaxoutDense` of Keras 1."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("keras_bigdata")
class MaxoutDense(keras.Layer):
    """The maximum of several linear layers, as in Keras 1.

    Args:
        units: the size of the outputs.
        nb_feature: the number of linear layers. Defaults to `4`.
        kernel_initializer, kernel_regularizer, bias_regularizer, kernel_constraint,
            bias_constraint, use_bias: as in `keras.layers.Dense`.
        **kwargs: the arguments of `keras.Layer`.

    Input shape: `(batch, input_dim)`. Output shape: `(batch, units)`.

    Example:

    ```python
    from keras_bigdata.legacy.layers import MaxoutDense

    layer = MaxoutDense(8, nb_feature=3)
    ```
    """

    def __init__(
        self,
        units: int,
        nb_feature: int = 4,
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
        self.units = units
        self.nb_feature = nb_feature
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.use_bias = use_bias

    def build(self, input_shape: Any) -> None:
        """Adds the weights."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.nb_feature, input_shape[-1], self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.nb_feature, self.units),
                initializer="zeros",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs: Any) -> Any:
        """Returns the largest output of the linear layers."""
        outputs = keras.ops.einsum("bi,fio->bfo", inputs, self.kernel)
        if self.bias is not None:
            outputs += self.bias
        return keras.ops.max(outputs, axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {
            **super().get_config(),
            "units": self.units,
            "nb_feature": self.nb_feature,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "use_bias": self.use_bias,
        }
