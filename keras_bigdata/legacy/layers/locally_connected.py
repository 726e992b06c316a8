"""`LocallyConnected1D` and `LocallyConnected2D` of Keras 1 and 2."""

from __future__ import annotations

import itertools
import math
from typing import Any

import keras


class _LocallyConnected(keras.Layer):
    """A convolution that has its own kernel at each position; `padding` is `"valid"`."""

    rank = 0

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        *,
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if padding != "valid":
            raise ValueError(
                f"{type(self).__name__}: `padding` (in Keras 1 `border_mode`) must be 'valid'. "
                f"Received: {padding!r}. Pad the input with ZeroPadding{self.rank}D."
            )
        self.filters = filters
        self.kernel_size = self._tuple(kernel_size)
        self.strides = self._tuple(strides)
        if self.rank == 1:
            data_format = "channels_last"
        self.data_format = data_format or keras.config.image_data_format()
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    def _tuple(self, value: Any) -> tuple[int, ...]:
        return (value,) * self.rank if isinstance(value, int) else tuple(value)

    def _is_channels_first(self) -> bool:
        return self.data_format == "channels_first"

    def _output_sizes(self, input_shape: Any) -> tuple[Any, ...]:
        sizes = input_shape[2:] if self._is_channels_first() else input_shape[1:-1]
        return tuple(
            None if size is None else (size - side) // stride + 1
            for size, side, stride in zip(sizes, self.kernel_size, self.strides, strict=True)
        )

    def build(self, input_shape: Any) -> None:
        """Adds the weights."""
        channels = input_shape[1] if self._is_channels_first() else input_shape[-1]
        sizes = self._output_sizes(input_shape)
        if None in (channels, *sizes):
            raise ValueError(
                f"{type(self).__name__} has a kernel for each position, so all sizes of its input "
                f"except the batch must be known. Received the shape {tuple(input_shape)}."
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(math.prod(sizes), math.prod(self.kernel_size) * channels, self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(*sizes, self.filters),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs: Any) -> Any:
        """Returns the outputs of all positions."""
        is_channels_first = self._is_channels_first()
        sizes = self._output_sizes(inputs.shape)
        if is_channels_first:
            inputs = keras.ops.moveaxis(inputs, 1, -1)
        channels = inputs.shape[-1]
        parts = []
        for offsets in itertools.product(*map(range, self.kernel_size)):
            slices = [
                slice(start, start + (size - 1) * stride + 1, stride)
                for start, size, stride in zip(offsets, sizes, self.strides, strict=True)
            ]
            parts.append(inputs[(slice(None), *slices)])
        # The features of a patch are in the order of `data_format`.
        patches = keras.ops.stack(parts, axis=-1 if is_channels_first else -2)
        patches = keras.ops.reshape(patches, (-1, math.prod(sizes), len(parts) * channels))
        outputs = keras.ops.einsum("bpi,pio->bpo", patches, self.kernel)
        outputs = keras.ops.reshape(outputs, (-1, *sizes, self.filters))
        if self.bias is not None:
            outputs += self.bias
        if is_channels_first:
            outputs = keras.ops.moveaxis(outputs, -1, 1)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        sizes = self._output_sizes(input_shape)
        if self._is_channels_first():
            return (input_shape[0], self.filters, *sizes)
        return (input_shape[0], *sizes, self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "data_format": self.data_format,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }


@keras.saving.register_keras_serializable("keras_bigdata")
class LocallyConnected1D(_LocallyConnected):
    """A 1D convolution that has its own kernel at each position, as in Keras 1 and 2.

    Args:
        filters, kernel_size, strides, padding, ...: as in `keras.layers.Conv1D`. `padding` can
            only be `"valid"`.

    Input shape: `(batch, length, channels)`. Output shape: `(batch, new_length, filters)`.

    Example:

    ```python
    from keras_bigdata.legacy.layers import LocallyConnected1D

    layer = LocallyConnected1D(8, 3)
    ```
    """

    rank = 1


@keras.saving.register_keras_serializable("keras_bigdata")
class LocallyConnected2D(_LocallyConnected):
    """A 2D convolution that has its own kernel at each position, as in Keras 1 and 2.

    Args:
        filters, kernel_size, strides, padding, ...: as in `keras.layers.Conv2D`. `padding` can
            only be `"valid"`.

    Input shape: `(batch, rows, columns, channels)`, or `(batch, channels, rows, columns)` with
    `data_format="channels_first"`. Output shape: the same with `filters` for `channels`.

    Example:

    ```python
    from keras_bigdata.legacy.layers import LocallyConnected2D

    layer = LocallyConnected2D(8, (3, 3))
    ```
    """

    rank = 2
