"""`metrics=["accuracy"]` with `loss="binary_crossentropy"`.

In `keras` 1 and 2 it was the accuracy of the single numbers, also for rows of several numbers.
Keras 3 then compares the positions of the greatest numbers (argmax). With several outputs, the loss
of each output decided:
https://github.com/keras-team/keras/blob/2.2.4/keras/engine/training.py (`handle_metrics`).
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

import keras

from keras_bigdata.legacy.calling_script import keras_root
from keras_bigdata.legacy.models.compile_arguments import copy_of_metric, named_arguments
from keras_bigdata.legacy.models.model_tensors import output_names
from keras_bigdata.legacy.patching import defining_class, wrap

_ACCURACIES = ("accuracy", "acc")


def install() -> None:
    """Makes `compile` read `"accuracy"` with binary losses as `keras` 1 and 2 did."""
    wrap(defining_class(keras.Model, "compile"), "compile", _with_old_metrics)


def _with_old_metrics(compile_model: Any) -> Any:
    @functools.wraps(compile_model)
    def compile(self: Any, *args: Any, **kwargs: Any) -> Any:
        named = named_arguments(args, kwargs)
        if keras_root() != "keras":
            return compile_model(self, **named)
        losses = _Losses(named.get("loss"), output_names(self))
        replaced: list[str] = []
        for argument in ("metrics", "weighted_metrics"):
            if named.get(argument) is not None:
                named[argument] = losses.old_metrics(named[argument], argument, replaced)
        if replaced:
            warnings.warn(
                f"metrics=[{replaced[0]!r}] with binary_crossentropy is the accuracy of the single "
                "numbers (BinaryAccuracy), as in `keras` 1 and 2. For rows of several numbers, "
                "tensorflow.keras 2 and Keras 3 compare the positions of the greatest numbers "
                "(CategoricalAccuracy).",
                stacklevel=2,
            )
        return compile_model(self, **named)

    return compile


class _Losses:
    """Which outputs of a model have a binary loss.

    Args:
        loss: the argument `loss` of `compile`.
        names: the names of the outputs; `[]` if they are not known.
    """

    def __init__(self, loss: Any, names: list[str]) -> None:
        self._names = names
        by_key: dict[Any, Any] = {}
        if isinstance(loss, dict):
            by_key = {**loss, **{at: loss.get(name) for at, name in enumerate(names)}}
        elif isinstance(loss, list | tuple):
            by_key = dict(enumerate(loss))
            if len(loss) == len(names):
                by_key |= dict(zip(names, loss, strict=True))
        else:
            by_key = {0: loss}
        self._binary = {key: _is_binary(one) for key, one in by_key.items() if one is not None}
        self._are_all_binary = bool(self._binary) and all(self._binary.values())

    def old_metrics(self, metrics: Any, argument: str, replaced: list[str]) -> Any:
        """Returns an argument of `compile` with the metrics of `keras` 1 and 2.

        Args:
            metrics: the metrics.
            argument: the name of the argument.
            replaced: receives the names of metrics that are replaced.
        """
        if isinstance(metrics, dict):
            return {name: self._of_output(name, each, replaced) for name, each in metrics.items()}
        flat = list(metrics) if isinstance(metrics, list | tuple) else [metrics]
        if any(each is None or isinstance(each, list | tuple | dict) for each in flat):
            return [self._of_output(at, each, replaced) for at, each in enumerate(flat)]
        is_mixed = len(self._names) > 1 and any(self._binary.values()) and not self._are_all_binary
        if not is_mixed or not any(_is_accuracy(each) for each in flat):
            return _old_metrics(metrics, self._are_all_binary, replaced)
        if len(flat) == len(self._names):
            warnings.warn(
                f"compile: {argument}= has as many entries as the model has outputs. It is read as "
                "in Keras 1 and 2: every metric of every output. Keras 3 reads it as one metric "
                "for each output: pass a list of lists for this.",
                stacklevel=3,
            )
        # `compile` of Keras 1 and 2 applied the list to every output; it leaves this dict alone.
        return {
            name: self._of_output(name, [copy_of_metric(each) for each in flat], replaced)
            for name in self._names
        }

    def _of_output(self, key: str | int, metrics: Any, replaced: list[str]) -> Any:
        return _old_metrics(metrics, self._binary.get(key, self._are_all_binary), replaced)


def _is_binary(loss: Any) -> bool:
    return (
        loss == "binary_crossentropy"
        or loss is keras.losses.binary_crossentropy
        or isinstance(loss, keras.losses.BinaryCrossentropy)
    )


def _is_accuracy(metric: Any) -> bool:
    return isinstance(metric, str) and metric in _ACCURACIES


def _old_metrics(metrics: Any, is_binary: bool, replaced: list[str]) -> Any:
    if isinstance(metrics, dict):
        return {name: _old_metrics(each, is_binary, replaced) for name, each in metrics.items()}
    if isinstance(metrics, list | tuple):
        return [_old_metrics(each, is_binary, replaced) for each in metrics]
    if not is_binary or not _is_accuracy(metrics):
        return metrics
    replaced.append(metrics)
    return keras.metrics.BinaryAccuracy(name=metrics)
