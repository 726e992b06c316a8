"""A frozen BatchNormalization in training, as `keras` 1 and 2 had it.

It normalized with the mean and variance of the batch and left its moving averages as they were.
`tensorflow.keras` 2 and Keras 3 use the moving averages. A discriminator that is frozen within a
GAN then has other gradients, and the training fails.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import keras

from keras_bigdata.legacy.patching import wrap

_uses_batch: ContextVar[bool] = ContextVar("uses_batch", default=False)


def install() -> None:
    """Makes frozen layers use the batch while a model of a script for `keras` is trained."""
    wrap(keras.layers.BatchNormalization, "call", _with_batch_statistics)


@contextlib.contextmanager
def batch_statistics_if(condition: bool) -> Iterator[None]:
    """Makes frozen layers use the statistics of the batch in the block, if a condition is true."""
    token = _uses_batch.set(condition)
    try:
        yield
    finally:
        _uses_batch.reset(token)


def _with_batch_statistics(call: Any) -> Any:
    @functools.wraps(call)
    def call_as_keras_2(self: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if not training or self.trainable or not _uses_batch.get():
            return call(self, inputs, training=training, mask=mask)
        warnings.warn(
            "A frozen BatchNormalization normalizes with the mean and variance of each batch in "
            "training, as `keras` 1 and 2 did; tensorflow.keras 2 and Keras 3 use the moving "
            "averages. Import Keras from `tensorflow.keras` if the moving averages are meant.",
            stacklevel=2,
        )
        inputs = keras.ops.convert_to_tensor(inputs)
        rank = len(inputs.shape)
        x = keras.ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        mean, variance = keras.ops.moments(
            x, [axis for axis in range(rank) if axis != self.axis % rank]
        )
        outputs = keras.ops.batch_normalization(
            x, mean, variance, self.axis, self.beta, self.gamma, self.epsilon
        )
        return keras.ops.cast(outputs, self.compute_dtype)

    return call_as_keras_2
