"""`BatchNormalization(mode=1)` and `(mode=2)` of Keras 1."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("keras_bigdata")
class SampleNormalization(keras.layers.BatchNormalization):
    """`BatchNormalization(mode=1)` of Keras 1: normalizes each sample over the last axis.

    It has the weights of a batch normalization; the moving mean and variance are not used.

    Args:
        **kwargs: the arguments of `keras.layers.BatchNormalization`.

    Example:

    ```python
    from keras_bigdata.legacy.layers import SampleNormalization

    layer = SampleNormalization(epsilon=1e-3)
    ```
    """

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Returns the normalized inputs."""
        mean = keras.ops.mean(inputs, axis=-1, keepdims=True)
        variance = keras.ops.var(inputs, axis=-1, keepdims=True)
        # Keras 1 added `epsilon` twice.
        deviation = keras.ops.sqrt(variance + self.epsilon) + self.epsilon
        outputs = (inputs - mean) / deviation
        if self.scale:
            outputs *= self.gamma
        return outputs + self.beta if self.center else outputs


@keras.saving.register_keras_serializable("keras_bigdata")
class BatchStatisticsNormalization(keras.layers.BatchNormalization):
    """`BatchNormalization(mode=2)` of Keras 1: uses the statistics of the batch when it predicts.

    Args:
        **kwargs: the arguments of `keras.layers.BatchNormalization`.

    Example:

    ```python
    from keras_bigdata.legacy.layers import BatchStatisticsNormalization

    layer = BatchStatisticsNormalization()
    ```
    """

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Returns the normalized inputs."""
        axes = [axis for axis in range(len(inputs.shape)) if axis != self.axis % len(inputs.shape)]
        mean = keras.ops.mean(inputs, axis=axes, keepdims=True)
        variance = keras.ops.var(inputs, axis=axes, keepdims=True)
        outputs = (inputs - mean) / keras.ops.sqrt(variance + self.epsilon)
        shape = [1] * len(inputs.shape)
        shape[self.axis] = inputs.shape[self.axis]
        if self.scale:
            outputs *= keras.ops.reshape(self.gamma, shape)
        return outputs + keras.ops.reshape(self.beta, shape) if self.center else outputs


MODES = {1: SampleNormalization, 2: BatchStatisticsNormalization}
