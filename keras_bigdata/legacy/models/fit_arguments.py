"""Calls of `fit`, `evaluate` and `predict` with the arguments of Keras 1 and 2."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_bigdata.keras_internals.legacy import called_dataset_constructor
from keras_bigdata.legacy.generators.batch_stream import is_iterator
from keras_bigdata.old_keras.generator_arguments import STEP_COUNTS
from keras_bigdata.old_keras.method_arguments import (
    EVALUATE_POSITIONS,
    FIT_POSITIONS,
    PREDICT_POSITIONS,
    QUEUE_ARGUMENTS,
)

_POSITIONS = {
    "fit": FIT_POSITIONS,
    "evaluate": EVALUATE_POSITIONS,
    "predict": PREDICT_POSITIONS,
}


@dataclass(slots=True)
class MethodCall:
    """The arguments of a call, by their names in Keras 3.

    Attributes:
        method: `"fit"`, `"evaluate"` or `"predict"`.
        arguments: those that Keras 3 takes, and unknown ones.
        queue: the arguments that configure how batches are read, by their names in Keras 2.
        is_keras_1: whether an argument shows that the call was written for Keras 1.
    """

    method: str
    arguments: dict[str, Any]
    queue: dict[str, Any] = field(default_factory=dict)
    is_keras_1: bool = False

    @property
    def steps(self) -> Any:
        """The number of steps, or `None`."""
        return self.arguments.get("steps_per_epoch" if self.method == "fit" else "steps")

    @property
    def reads_generator(self) -> bool:
        """Whether batches are read as Keras 2 did, and not as Keras 3 reads them.

        Keras 3 reads a `PyDataset` itself if nothing of the call is old. It does not take
        iterators other than generators, loses batches of generators between epochs, and does not
        take the forms of batches that a `Sequence` of Keras 2 may return.
        """
        x = self.arguments.get("x")
        if is_keras_sequence(x):
            return bool(self.queue) or not called_dataset_constructor(x)
        return is_iterator(x) and not _is_array(x) and self.steps is not None


def parse(method: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> MethodCall:
    """Parses a call.

    Raises:
        TypeError: if an argument is passed twice, or there are too many.
    """
    positions = _POSITIONS[method]
    if len(args) > len(positions):
        raise TypeError(
            f"{method}() takes at most {len(positions)} positional arguments. Received: {len(args)}"
        )
    call = MethodCall(method, {})
    given = [*zip(positions, args, strict=False), *kwargs.items()]
    for old_name, value in given:
        if old_name == "nb_epoch":
            call.is_keras_1 = True
        name = "epochs" if old_name == "nb_epoch" and method == "fit" else old_name
        target = call.arguments
        if name in QUEUE_ARGUMENTS:
            name, target = QUEUE_ARGUMENTS[name], call.queue
        if name in target:
            raise TypeError(f"{method}() got {name!r} twice: received it also as {old_name!r}.")
        target[name] = value
    if call.arguments.pop("show_accuracy", None) is not None:
        call.is_keras_1 = True
        warnings.warn(
            f"{method}: `show_accuracy` has no effect, as in Keras 1.2. Pass "
            "metrics=['accuracy'] to `compile`.",
            stacklevel=3,
        )
    for name in STEP_COUNTS:
        if name in call.arguments:
            call.arguments[name] = _whole_steps(call.arguments[name])
    return call


def is_keras_sequence(x: Any) -> bool:
    """Whether data are a Keras `Sequence`: a `PyDataset`, or an object with the methods of one."""
    if isinstance(x, keras.utils.PyDataset):
        return True
    is_like_one = hasattr(type(x), "__getitem__") and hasattr(x, "on_epoch_end")
    return is_like_one and not _is_array(x)


def _is_array(x: Any) -> bool:
    return hasattr(x, "shape") or isinstance(x, (list, tuple, dict))


def _whole_steps(value: Any) -> Any:
    """Rounds a float up, as counting to it did in Keras 1 and 2."""
    if isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_)):
        return math.ceil(value) if math.isfinite(value) else value
    return value
