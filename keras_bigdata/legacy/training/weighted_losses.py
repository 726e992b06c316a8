"""Losses of batches in which some weights are zero, as in `keras` 1 and 2.

`keras` divided the weighted loss of a batch by the number of weights that are not zero.
`tensorflow.keras` 2 and Keras 3 divide it by the number of rows. Where no weight is zero, both are
equal. Source: `weighted_masked_objective` in
https://github.com/keras-team/keras/blob/2.2.4/keras/engine/training_utils.py
"""

from __future__ import annotations

import functools
import inspect
import numbers
import warnings
from typing import Any

import keras
import numpy as np

from keras_bigdata.legacy.patching import defining_class, wrap
from keras_bigdata.legacy.training.trainable_at_compile import keras_root_at_compile


def install() -> None:
    """Makes models of scripts for `keras` divide by the number of weights that are not zero."""
    wrap(defining_class(keras.Model, "compute_loss"), "compute_loss", _of_nonzero_weights)
    for name in ("fit", "evaluate", "train_on_batch", "test_on_batch"):
        wrap(keras.Model, name, _warning_of_zeros)


def _of_nonzero_weights(compute_loss: Any) -> Any:
    signature = inspect.signature(compute_loss)

    @functools.wraps(compute_loss)
    def compute_loss_of_nonzero_weights(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        weights = bound.arguments.get("sample_weight")
        if weights is None or keras_root_at_compile(self) != "keras":
            return compute_loss(self, *args, **kwargs)
        bound.arguments["sample_weight"] = keras.tree.map_structure(_scaled, weights)
        return compute_loss(*bound.args, **bound.kwargs)

    return compute_loss_of_nonzero_weights


def _warning_of_zeros(method: Any) -> Any:
    signature = inspect.signature(method)

    @functools.wraps(method)
    def method_that_warns(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(self, *args, **kwargs).arguments
        except TypeError:
            return method(self, *args, **kwargs)  # which says what is wrong
        weights = [given.get("sample_weight"), given.get("class_weight")]
        if keras_root_at_compile(self) == "keras" and _have_zeros(weights):
            warnings.warn(
                "Some weights are zero: the loss is divided by the number of the others, as in "
                "`keras` 1 and 2. tensorflow.keras 2 and Keras 3 divide it by the number of rows. "
                "Import Keras from `tensorflow.keras` if the mean over all rows is meant.",
                stacklevel=2,
            )
        return method(self, *args, **kwargs)

    return method_that_warns


def _have_zeros(weights: Any) -> bool:
    """Whether arrays or numbers among weights have zeros. Batches of generators are not read."""
    return any(
        isinstance(each, (numbers.Number, np.ndarray)) and bool((np.asarray(each) == 0).any())
        for each in keras.tree.flatten(weights)
    )


def _scaled(weights: Any) -> Any:
    """Scales weights so that the mean over all rows is that over the weights that are not zero."""
    if weights is None:
        return None
    ops = keras.ops
    weights = ops.cast(ops.convert_to_tensor(weights), keras.config.floatx())
    share = ops.mean(ops.cast(ops.not_equal(weights, 0), weights.dtype))
    return weights / ops.maximum(share, keras.config.epsilon())
