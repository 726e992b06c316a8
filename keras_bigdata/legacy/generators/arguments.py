"""The arguments of the generator methods, as Keras 1 and Keras 2 named and ordered them."""

from __future__ import annotations

import math
import numbers
import weakref
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from keras_bigdata.legacy.calling_script import default_keras_version
from keras_bigdata.old_keras.generator_arguments import ONLY_KERAS_1, ONLY_KERAS_2, SAMPLE_COUNTS
from keras_bigdata.old_keras.method_arguments import QUEUE_ARGUMENTS

DEFAULT_QUEUE_SIZE = 10

# Every name that a release had -> the name under which this module keeps its value.
_SHARED_NAMES = {
    "generator": "generator",
    "verbose": "verbose",
    "callbacks": "callbacks",
    **QUEUE_ARGUMENTS,
}
_FIT_NAMES = {
    **_SHARED_NAMES,
    "steps_per_epoch": "steps",
    "samples_per_epoch": "steps",
    "epochs": "epochs",
    "nb_epoch": "epochs",
    "validation_data": "validation_data",
    "validation_steps": "validation_steps",
    "nb_val_samples": "validation_steps",
    "validation_freq": "validation_freq",
    "class_weight": "class_weight",
    "shuffle": "shuffle",
    "initial_epoch": "initial_epoch",
    "nb_val_worker": "nb_val_worker",
}
_EVALUATE_NAMES = {**_SHARED_NAMES, "steps": "steps", "val_samples": "steps"}

_FIT_START = (
    *("generator", "steps", "epochs", "verbose", "callbacks"),
    *("validation_data", "validation_steps"),
)
_FIT_MIDDLE = ("class_weight", "max_queue_size", "workers", "use_multiprocessing")

# Models whose last training was called with the names of Keras 1. When they are evaluated, a
# positional step count is a number of samples.
_keras_1_models: weakref.WeakSet[Any] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class EpochLength:
    """The amount of data of an epoch: whole batches until `count` of `unit` are reached.

    One run of `evaluate` or `predict` is an epoch too, as in Keras's `EpochIterator`.
    """

    count: float
    unit: Literal["batches", "samples"]

    @property
    def max_batches(self) -> int:
        """The largest possible number of batches: a batch has at least one sample."""
        return math.ceil(self.count)


@dataclass(frozen=True, slots=True)
class EvaluateArguments:
    """The arguments of `evaluate_generator` and `predict_generator`."""

    generator: Any
    steps: EpochLength | None
    verbose: Any
    callbacks: Any
    max_queue_size: int
    workers: int


@dataclass(frozen=True, slots=True)
class FitArguments(EvaluateArguments):
    """The arguments of `fit_generator`."""

    epochs: int
    validation_data: Any
    validation_steps: EpochLength | None
    validation_freq: Any
    class_weight: Any
    shuffle: bool
    initial_epoch: int

    @property
    def has_validation_data(self) -> bool:
        """Whether `validation_data` was passed. Old Keras tested its truth: false if it is empty.

        The truth of an array is ambiguous, and that of a sequence may call its `__len__`.
        """
        data = self.validation_data
        is_empty = isinstance(data, (tuple, list, np.ndarray)) and len(data) == 0
        return data is not None and data is not False and not is_empty

    @property
    def old_params(self) -> dict[str, Any]:
        """The entries of `Callback.params` that only Keras 1 and 2 had."""
        params: dict[str, Any] = {
            "nb_epoch": self.epochs,
            "do_validation": self.has_validation_data,
        }
        if self.steps is not None and self.steps.unit == "samples":
            params["nb_sample"] = params["samples"] = self.steps.max_batches
        return params


def parse_fit_arguments(model: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> FitArguments:
    """Parses a call of `fit_generator`.

    Raises:
        TypeError: if an argument is unknown, missing or passed twice, or is not a number where one
            is required.
        ValueError: if a number is out of range.
    """
    values = _bind("fit_generator", _fit_positions(args), _FIT_NAMES, args, kwargs)
    counts_samples = _counts_samples("steps", kwargs)
    validation_counts_samples = _counts_samples("validation_steps", kwargs)
    if _is_keras_1(kwargs):
        _keras_1_models.add(model)
    elif ONLY_KERAS_2 & set(kwargs):
        _keras_1_models.discard(model)
    return FitArguments(
        **_shared_values(values, default_verbose=1),
        steps=_epoch_length(values, "steps", counts_samples, "steps_per_epoch"),
        epochs=_whole_number(values.get("epochs", 1), "epochs"),
        validation_data=values.get("validation_data"),
        # Old Keras treated zero as "not passed".
        validation_steps=_epoch_length(values, "validation_steps", validation_counts_samples, None),
        validation_freq=_validation_schedule(values.get("validation_freq")),
        class_weight=values.get("class_weight"),
        shuffle=bool(values.get("shuffle", True)),
        initial_epoch=_whole_number(values.get("initial_epoch") or 0, "initial_epoch"),
    )


def parse_evaluate_arguments(
    function: str, model: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> EvaluateArguments:
    """Parses a call of `evaluate_generator` or `predict_generator`.

    Args:
        function: the name of the called function, for messages.
        model: the model. Its last training decides whether a positional count is of samples.
        args: the positional arguments.
        kwargs: the keyword arguments.

    Raises:
        TypeError: if an argument is unknown, missing or passed twice, or is not a number where one
            is required.
        ValueError: if a number is out of range.
    """
    values = _bind(function, _evaluate_positions(args), _EVALUATE_NAMES, args, kwargs)
    # These two are often called with positional arguments only.
    counts_samples = _counts_samples("steps", kwargs, default=model in _keras_1_models)
    return EvaluateArguments(
        **_shared_values(values, default_verbose=0),
        steps=_epoch_length(values, "steps", counts_samples, "steps"),
    )


def _fit_positions(args: Sequence[Any]) -> tuple[str, ...]:
    """Returns the order of the parameters of `fit_generator`.

    Keras 2.3 put `validation_freq` before `class_weight`, and Keras 2.0.7 `shuffle` before
    `initial_epoch`. The types of the arguments show which order a call follows.
    """
    names: tuple[str, ...] = _FIT_START
    if len(args) > len(names) and _is_frequency(args[len(names)]):
        names = (*names, "validation_freq")
    names = (*names, *_FIT_MIDDLE)
    if len(args) == len(names) + 1 and not isinstance(args[-1], (bool, np.bool_)):
        return (*names, "initial_epoch")
    return (*names, "shuffle", "initial_epoch")


def _evaluate_positions(args: Sequence[Any]) -> tuple[str, ...]:
    """Returns the order of the parameters; Keras 2.3 put `callbacks` before `max_queue_size`."""
    rest = ("max_queue_size", "workers", "use_multiprocessing", "verbose")
    if len(args) > 2 and not isinstance(args[2], numbers.Number):
        return ("generator", "steps", "callbacks", *rest)
    return ("generator", "steps", *rest)


def _is_frequency(value: Any) -> bool:
    if isinstance(value, (list, tuple, set, frozenset, range)):
        return all(isinstance(item, numbers.Integral) for item in value)
    return isinstance(value, numbers.Integral)


def _bind(
    function: str,
    positions: tuple[str, ...],
    names: Mapping[str, str],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the values by the names of this module, the values of `names`."""
    if len(args) > len(positions):
        raise TypeError(
            f"{function}() takes at most {len(positions)} positional arguments. Received: "
            f"{len(args)}"
        )
    values: dict[str, Any] = dict(zip(positions, args, strict=False))
    passed = {name: "by position" for name in values}
    for name, value in kwargs.items():
        if name not in names:
            raise TypeError(
                f"{function}() has no argument {name!r}. It takes those of Keras 1 and Keras 2: "
                f"{', '.join(sorted(names))}."
            )
        meaning = names[name]
        if meaning in passed:
            raise TypeError(f"{function}() got {name!r} twice: {passed[meaning]} and as {name}=")
        passed[meaning] = f"as {name}="
        values[meaning] = value
    if "generator" not in values:
        raise TypeError(
            f"{function}() requires a generator: its first argument after the model, or "
            "`generator=`."
        )
    return values


def _counts_samples(meaning: str, kwargs: Mapping[str, Any], default: bool = False) -> bool:
    """Whether a step count is a number of samples: by its name, else by the other names."""
    names = {**_EVALUATE_NAMES, **_FIT_NAMES}
    for name in kwargs:
        if names[name] == meaning:
            return name in SAMPLE_COUNTS
    if ONLY_KERAS_2 & set(kwargs):
        return False
    return _is_keras_1(kwargs) or default or default_keras_version() == 1


def _is_keras_1(kwargs: Mapping[str, Any]) -> bool:
    return bool(ONLY_KERAS_1 & set(kwargs)) and not ONLY_KERAS_2 & set(kwargs)


def _shared_values(values: Mapping[str, Any], default_verbose: int) -> dict[str, Any]:
    """Returns the arguments that all three functions have."""
    verbose = values.get("verbose", default_verbose)
    workers = values.get("workers", 1)
    size = values.get("max_queue_size")
    return {
        "generator": values["generator"],
        "verbose": int(verbose) if isinstance(verbose, (bool, np.bool_)) else verbose,
        "callbacks": values.get("callbacks"),
        "max_queue_size": _whole_number(size, "max_queue_size") if size else DEFAULT_QUEUE_SIZE,
        "workers": 1 if workers is None else max(0, _whole_number(workers, "workers")),
    }


def _epoch_length(
    values: Mapping[str, Any], meaning: str, counts_samples: bool, required_name: str | None
) -> EpochLength | None:
    """Returns the step count `meaning`, or `None` if it was not passed.

    Zero or less is an error that names the argument `required_name`; if that is `None`, it is
    treated as "not passed".
    """
    value = values.get(meaning)
    if value is None:
        return None
    count = _number(value, meaning)
    unit: Literal["batches", "samples"] = "samples" if counts_samples else "batches"
    if count <= 0 and required_name is None:
        return None
    if count <= 0:
        raise ValueError(
            f"`{required_name}` must be more than 0 {unit}. Received: {value!r}. "
            "`samples // batch_size` is 0 when there are fewer samples than a batch has."
        )
    return EpochLength(count, unit)


# These checks deliberately accept more than those in `keras_bigdata/arguments.py`. Old Keras did
# not check numbers but compared them with `<`, so floats, NumPy's numbers and scalar tensors
# worked, and a float counted up to the next batch. Scripts depend on it:
# `steps_per_epoch=samples / batch_size` was a usual way to write it.


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"`{name}` must be a number. Received: {name}={value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be a finite number. Received: {name}={value!r}")
    return number


def _whole_number(value: Any, name: str) -> int:
    return math.ceil(_number(value, name))


def _validation_schedule(value: Any) -> Callable[[int], bool]:
    """Returns a function of the epoch, counted from 0: whether a validation follows it."""
    if value is None:
        return lambda epoch: True
    if isinstance(value, numbers.Real):
        every = _whole_number(value, "validation_freq")
        if every < 1:
            raise ValueError(
                f"`validation_freq` must be at least 1. Received: validation_freq={value!r}"
            )
        return lambda epoch: (epoch + 1) % every == 0
    if isinstance(value, Container):
        epochs = value  # counted from 1
        return lambda epoch: epoch + 1 in epochs
    raise TypeError(
        "`validation_freq` must be a number or a container of epochs counted from 1. Received: "
        f"validation_freq={value!r}"
    )
