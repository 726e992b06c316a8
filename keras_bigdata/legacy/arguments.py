"""The arguments of the generator methods as Keras 1 and Keras 2 named and ordered them."""

from __future__ import annotations

import math
import numbers
import weakref
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Unit = Literal["batches", "samples"]

DEFAULT_QUEUE = 10

# Names that only Keras 1 had, and names that only Keras 2 had. `max_q_size` and `pickle_safe`
# tell nothing: Keras 2.0 still had them.
_ONLY_KERAS_1 = {
    *("samples_per_epoch", "nb_epoch", "nb_val_samples", "val_samples"),
    *("nb_worker", "nb_val_worker"),
}
_ONLY_KERAS_2 = {
    *("steps_per_epoch", "epochs", "validation_steps", "steps", "validation_freq"),
    *("workers", "max_queue_size", "use_multiprocessing", "shuffle"),
}

_SHARED_NAMES = {
    "generator": "generator",
    "verbose": "verbose",
    "callbacks": "callbacks",
    "max_queue_size": "max_queue_size",
    "max_q_size": "max_queue_size",
    "workers": "workers",
    "nb_worker": "workers",
    "use_multiprocessing": "use_multiprocessing",
    "pickle_safe": "use_multiprocessing",
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
_RUN_NAMES = {**_SHARED_NAMES, "steps": "steps", "val_samples": "steps"}
_IN_SAMPLES = {"samples_per_epoch", "nb_val_samples", "val_samples"}

_FIT_START = (
    *("generator", "steps", "epochs", "verbose", "callbacks"),
    *("validation_data", "validation_steps"),
)
_FIT_MIDDLE = ("class_weight", "max_queue_size", "workers", "use_multiprocessing")

# Models that were last trained by a call of Keras 1: to evaluate them, a number without a name
# counts samples.
_speak_keras_1: weakref.WeakSet[Any] = weakref.WeakSet()
_keras_of_positions = 2


@dataclass(frozen=True, slots=True)
class Amount:
    """How much data a round takes: whole batches until `count` of `unit` are reached."""

    count: float
    unit: Unit

    @property
    def most_batches(self) -> int:
        """A round never takes more batches than this: a batch has at least one sample."""
        return math.ceil(self.count)


@dataclass(frozen=True, slots=True)
class RunArguments:
    """What `evaluate_generator` and `predict_generator` were asked for."""

    generator: Any
    steps: Amount | None
    verbose: Any
    callbacks: Any
    max_queue_size: int
    workers: int


@dataclass(frozen=True, slots=True)
class FitArguments(RunArguments):
    """What `fit_generator` was asked for."""

    epochs: int
    validation_data: Any
    validation_steps: Amount | None
    validation_freq: Any
    class_weight: Any
    shuffle: bool
    initial_epoch: int


def set_keras_of_positions(keras: int) -> None:
    """Which Keras's meaning numbers without a name have if nothing else tells: 1 or 2.

    Raises:
        ValueError: if it is another number.
    """
    global _keras_of_positions  # noqa: PLW0603
    if keras not in (1, 2):
        raise ValueError(f"`keras` must be 1 or 2. Received: keras={keras!r}")
    _keras_of_positions = keras


def fit_arguments(model: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> FitArguments:
    """Reads a call of `fit_generator`.

    Raises:
        TypeError: if an argument is unknown, missing or given twice.
        ValueError: if a number is not one that the argument can have.
    """
    values = _bind("fit_generator", _fit_positions(args), _FIT_NAMES, args, kwargs)
    samples = _in_samples("steps", kwargs)
    validation_samples = _in_samples("validation_steps", kwargs)
    if _is_keras_1(kwargs):
        _speak_keras_1.add(model)
    elif _ONLY_KERAS_2 & set(kwargs):
        _speak_keras_1.discard(model)
    return FitArguments(
        **_shared(values),
        steps=_amount(values, "steps", samples, "steps_per_epoch"),
        epochs=_whole(values.get("epochs", 1), "epochs"),
        validation_data=values.get("validation_data"),
        # Old Keras took zero for "not given".
        validation_steps=_amount(values, "validation_steps", validation_samples, None),
        validation_freq=_frequency(values.get("validation_freq")),
        class_weight=values.get("class_weight"),
        shuffle=bool(values.get("shuffle", True)),
        initial_epoch=_whole(values.get("initial_epoch") or 0, "initial_epoch"),
    )


def run_arguments(
    function: str, model: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> RunArguments:
    """Reads a call of `evaluate_generator` or `predict_generator`.

    Raises:
        TypeError: if an argument is unknown, missing or given twice.
        ValueError: if a number is not one that the argument can have.
    """
    values = _bind(function, _run_positions(args), _RUN_NAMES, args, kwargs)
    # These two are often called without any name.
    samples = _in_samples("steps", kwargs, otherwise=model in _speak_keras_1)
    return RunArguments(
        **{"verbose": 0, **_shared(values, default_verbose=0)},
        steps=_amount(values, "steps", samples, "steps"),
    )


def _fit_positions(args: Sequence[Any]) -> tuple[str, ...]:
    """Keras 2.3 put `validation_freq` before `class_weight`; the last ones changed in 2.0.7."""
    names: tuple[str, ...] = _FIT_START
    if len(args) > len(names) and _is_frequency(args[len(names)]):
        names = (*names, "validation_freq")
    names = (*names, *_FIT_MIDDLE)
    if len(args) == len(names) + 1 and not isinstance(args[-1], (bool, np.bool_)):
        return (*names, "initial_epoch")
    return (*names, "shuffle", "initial_epoch")


def _run_positions(args: Sequence[Any]) -> tuple[str, ...]:
    """Keras 2.3 put `callbacks` before `max_queue_size`."""
    queue = ("max_queue_size", "workers", "use_multiprocessing", "verbose")
    if len(args) > 2 and not isinstance(args[2], numbers.Number):
        return ("generator", "steps", "callbacks", *queue)
    return ("generator", "steps", *queue)


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
    """The values by the name that this module gives them."""
    if len(args) > len(positions):
        raise TypeError(
            f"{function}() takes at most {len(positions)} arguments without a name. Received: "
            f"{len(args)}"
        )
    values: dict[str, Any] = dict(zip(positions, args, strict=False))
    given = {name: "by position" for name in values}
    for name, value in kwargs.items():
        if name not in names:
            raise TypeError(
                f"{function}() has no argument {name!r}. It takes those of Keras 1 and Keras 2: "
                f"{', '.join(sorted(names))}."
            )
        meaning = names[name]
        if meaning in given:
            raise TypeError(f"{function}() got {name!r} twice: {given[meaning]} and as {name}=")
        given[meaning] = f"as {name}="
        values[meaning] = value
    if "generator" not in values:
        raise TypeError(f"{function}() needs a generator, its first argument or `generator=`.")
    return values


def _in_samples(meaning: str, kwargs: Mapping[str, Any], otherwise: bool = False) -> bool:
    """Whether the amount `meaning` counts samples: by its name, else by those beside it."""
    table = {**_RUN_NAMES, **_FIT_NAMES}
    for name in kwargs:
        if table[name] == meaning:
            return name in _IN_SAMPLES
    if _ONLY_KERAS_2 & set(kwargs):
        return False
    return _is_keras_1(kwargs) or otherwise or _keras_of_positions == 1


def _is_keras_1(kwargs: Mapping[str, Any]) -> bool:
    return bool(_ONLY_KERAS_1 & set(kwargs)) and not _ONLY_KERAS_2 & set(kwargs)


def _shared(values: Mapping[str, Any], default_verbose: int = 1) -> dict[str, Any]:
    verbose = values.get("verbose", default_verbose)
    workers = values.get("workers", 1)
    size = values.get("max_queue_size")
    return {
        "generator": values["generator"],
        "verbose": int(verbose) if isinstance(verbose, (bool, np.bool_)) else verbose,
        "callbacks": values.get("callbacks"),
        "max_queue_size": _whole(size, "max_queue_size") if size else DEFAULT_QUEUE,
        "workers": 1 if workers is None else max(0, _whole(workers, "workers")),
    }


def _amount(
    values: Mapping[str, Any], meaning: str, samples: bool, at_least_one: str | None
) -> Amount | None:
    count = values.get(meaning)
    if count is None:
        return None
    number = _number(count, meaning)
    if number <= 0 and at_least_one is None:
        return None
    if number <= 0:
        unit = "samples" if samples else "batches"
        raise ValueError(
            f"`{at_least_one}` must be more than 0 {unit}. Received: {count!r}. With "
            "`samples // batch_size` it is 0 when there are fewer samples than a batch has."
        )
    return Amount(number, "samples" if samples else "batches")


def _number(value: Any, name: str) -> float:
    """Old Keras compared with `<`, so floats and NumPy's and a tensor's numbers worked."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"`{name}` must be a number. Received: {name}={value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be a finite number. Received: {name}={value!r}")
    return number


def _whole(value: Any, name: str) -> int:
    return math.ceil(_number(value, name))


def _frequency(value: Any) -> Callable[[int], bool]:
    """Whether epoch number `epoch`, counted from 0, is validated."""
    if value is None:
        return lambda epoch: True
    if isinstance(value, numbers.Real):
        every = _whole(value, "validation_freq")
        if every < 1:
            raise ValueError(f"`validation_freq` must be at least 1. Received: {value!r}")
        return lambda epoch: (epoch + 1) % every == 0
    if isinstance(value, Container):
        numbered = value  # from 1
        return lambda epoch: epoch + 1 in numbered
    raise TypeError(
        "`validation_freq` must be a number or a container of epochs counted from 1. Received: "
        f"{value!r}"
    )
