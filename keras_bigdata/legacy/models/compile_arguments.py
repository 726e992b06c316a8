"""`compile` with the arguments of Keras 1 and 2."""

from __future__ import annotations

import functools
import numbers
import warnings
from collections.abc import Mapping
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import compiled_metric_names
from keras_bigdata.legacy.models.compile_names import new_losses, new_metrics
from keras_bigdata.legacy.models.losses_of_tensors import with_tensors
from keras_bigdata.legacy.models.model_tensors import output_names
from keras_bigdata.legacy.patching import defining_class, wrap
from keras_bigdata.old_keras.method_arguments import (
    COMPILE_POSITIONS,
    IGNORED_COMPILE_ARGUMENTS,
    KERAS_1_SEQUENTIAL_COMPILE_POSITIONS,
    NEW_COMPILE_POSITIONS,
)

_METRICS = ("metrics", "weighted_metrics")


def install() -> None:
    """Makes `compile` take old arguments."""
    wrap(defining_class(keras.Model, "compile"), "compile", _compile)


def _compile(former: Any) -> Any:
    @functools.wraps(former)
    def compile(self: Any, *args: Any, **kwargs: Any) -> Any:
        arguments = named_arguments(args, kwargs)
        for name, reason in IGNORED_COMPILE_ARGUMENTS.items():
            if arguments.pop(name, None) is not None and name == "class_mode":
                warnings.warn(f"compile: `{name}` has no effect: {reason}.", stacklevel=2)
        if arguments.pop("target_tensors", None) is not None:
            raise TypeError(
                "compile: `target_tensors` cannot be passed on Keras 3, which has no placeholders. "
                "Pass the targets to `fit` as `y`."
            )
        has_metrics = any(arguments.get(name) is not None for name in _METRICS)
        if not has_metrics and compiled_metric_names(self):
            arguments["metrics"] = []  # with None, Keras 3 keeps those of an earlier `compile`
        if isinstance(arguments.get("loss"), (list, tuple)) and not len(arguments["loss"]):
            arguments["loss"] = None
        for name in _METRICS:
            if name in arguments:
                metrics = new_metrics(arguments[name], arguments.get("loss"))
                arguments[name] = with_tensors(self, metrics)
        if "loss" in arguments:
            arguments["loss"] = with_tensors(self, new_losses(arguments["loss"]))
        names = output_names(self)
        if len(names) > 1:
            _spread_over_outputs(arguments, names)
        return former(self, **arguments)

    return compile


def named_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of `compile` by name. Their types show which order a call follows."""
    others = args[2:]
    positions: tuple[str, ...] = NEW_COMPILE_POSITIONS
    first, second = (*others, None, None)[:2]
    if _are_metrics(first) or (len(others) > 1 and first is None and not _are_metrics(second)):
        is_old_sequential = len(others) > 1 and _is_weight_mode(others[1])
        positions = KERAS_1_SEQUENTIAL_COMPILE_POSITIONS if is_old_sequential else COMPILE_POSITIONS
    if len(args) > len(positions):
        raise TypeError(
            f"compile() takes at most {len(positions)} positional arguments. Received: "
            f"{len(args)}. Pass the others by name."
        )
    named = dict(zip(positions, args, strict=False))
    for name in kwargs:
        if name in named:
            raise TypeError(f"compile() got {name!r} twice: by position and as {name}=")
    return {**named, **kwargs}


def _are_metrics(value: Any) -> bool:
    """Whether an argument holds metrics, and not weights of losses."""
    parts = keras.tree.flatten(value)
    return bool(parts) and any(
        isinstance(part, str) or callable(part) or isinstance(part, keras.metrics.Metric)
        for part in parts
    )


def _is_weight_mode(value: Any) -> bool:
    parts = keras.tree.flatten(value)
    return "temporal" in parts


def _spread_over_outputs(arguments: dict[str, Any], names: list[str]) -> None:
    """Applies one list of metrics and one loss to every output, as Keras 1 and 2 did."""
    for argument in _METRICS:
        metrics = arguments.get(argument)
        if isinstance(metrics, str) or callable(metrics):
            metrics = [metrics]
        if not isinstance(metrics, (list, tuple)) or not metrics:
            continue
        if any(isinstance(each, (list, tuple, dict)) or each is None for each in metrics):
            continue  # one entry per output
        if len(metrics) == len(names):
            warnings.warn(
                f"compile: {argument}={_described(metrics)} has as many entries as the model has "
                "outputs. It is read as in Keras 1 and 2: every metric of every output. Keras 3 "
                "reads it as one metric for each output: pass "
                f"{argument}=[{', '.join(f'[{name}]' for name in _names(metrics))}] for this.",
                stacklevel=3,
            )
        arguments[argument] = {name: [copy_of_metric(each) for each in metrics] for name in names}
    _spread_loss_weights(arguments, names)


def _spread_loss_weights(arguments: dict[str, Any], names: list[str]) -> None:
    """Gives every output a loss and a weight: 1 if a dict has none for it.

    With one loss for all outputs, Keras 3 refuses a list of weights, and weights all outputs by the
    value of a dict that has only one.
    """
    loss, weights = arguments.get("loss"), arguments.get("loss_weights")
    if loss is None or weights is None:
        return
    if isinstance(weights, dict):
        unknown = sorted(set(weights) - set(names))
        if unknown:
            raise ValueError(
                f"compile: `loss_weights` has names that are not outputs of the model: {unknown}. "
                f"Outputs: {names}"
            )
        weights = [weights.get(name, 1.0) for name in names]
    elif isinstance(weights, numbers.Real):
        raise TypeError(
            "compile: `loss_weights` must be a list or a dict of numbers when there are several "
            f"outputs. Received: loss_weights={weights!r}"
        )
    if len(weights) != len(names):
        return  # Keras says what is wrong
    if isinstance(loss, dict):
        arguments["loss_weights"] = dict(zip(names, weights, strict=True))
        return
    arguments["loss"] = list(loss) if isinstance(loss, (list, tuple)) else [loss] * len(names)
    arguments["loss_weights"] = list(weights)


def copy_of_metric(metric: Any) -> Any:
    """Returns another instance of a metric, which has a state. Functions have none."""
    if isinstance(metric, keras.metrics.Metric):
        return type(metric).from_config(metric.get_config())
    return metric


def _names(metrics: Any) -> list[str]:
    return [
        repr(each) if isinstance(each, str) else getattr(each, "__name__", type(each).__name__)
        for each in metrics
    ]


def _described(metrics: Any) -> str:
    return f"[{', '.join(_names(metrics))}]"
