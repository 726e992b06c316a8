"""Regularizers of activities, as `keras` had them until 2.2.

Their loss was summed over the rows of a batch:
https://github.com/keras-team/keras/blob/2.2.4/keras/regularizers.py (`L1L2.__call__`). `keras` 2.3,
`tensorflow.keras` 2 and Keras 3 divide it by the number of rows.
"""

from __future__ import annotations

import warnings
from typing import Any

import keras

from keras_bigdata.legacy.calling_script import keras_root
from keras_bigdata.legacy.layers.signatures import wraps_constructor
from keras_bigdata.legacy.layers.values import SummedOverBatch
from keras_bigdata.legacy.patching import wrap


def install() -> None:
    """Makes layers in scripts for `keras` sum the loss of `activity_regularizer`."""
    wrap(keras.Layer, "__init__", _with_summed_activities)


def _with_summed_activities(initialize: Any) -> Any:
    @wraps_constructor(initialize)
    def initialize_with_sum(self: Any, *args: Any, **kwargs: Any) -> None:
        regularizer = keras.regularizers.get(kwargs.get("activity_regularizer"))
        is_averaged = regularizer is not None and not isinstance(regularizer, SummedOverBatch)
        if is_averaged and keras_root() == "keras":
            warnings.warn(
                f"{type(self).__name__}: the loss of `activity_regularizer` is summed over the "
                "rows of a batch, as in `keras` until 2.2; `keras` 2.3, tensorflow.keras 2 and "
                "Keras 3 divide it by the number of rows. Import Keras from `tensorflow.keras` if "
                "the mean is meant.",
                stacklevel=2,
            )
            kwargs["activity_regularizer"] = SummedOverBatch(regularizer)
        initialize(self, *args, **kwargs)

    return initialize_with_sum
