"""The names and positions of the arguments of the generator methods in Keras 1 and Keras 2."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keras_bigdata.legacy.calling_script import set_default_keras_version
from keras_bigdata.legacy.generators.arguments import (
    EpochLength,
    parse_evaluate_arguments,
    parse_fit_arguments,
)

# The parameters of `Model.fit_generator` after `self`, as they were released.
FIT = {
    "1.0.0": "generator samples_per_epoch nb_epoch verbose callbacks validation_data "
    "nb_val_samples class_weight",
    "1.2.2": "generator samples_per_epoch nb_epoch verbose callbacks validation_data "
    "nb_val_samples class_weight max_q_size nb_worker pickle_safe initial_epoch",
    "2.0.5": "generator steps_per_epoch epochs verbose callbacks validation_data "
    "validation_steps class_weight max_q_size workers pickle_safe initial_epoch",
    "2.2.4": "generator steps_per_epoch epochs verbose callbacks validation_data "
    "validation_steps class_weight max_queue_size workers use_multiprocessing shuffle "
    "initial_epoch",
    "2.3.1": "generator steps_per_epoch epochs verbose callbacks validation_data "
    "validation_steps validation_freq class_weight max_queue_size workers use_multiprocessing "
    "shuffle initial_epoch",
}
EVALUATE = {
    "1.2.2": "generator val_samples max_q_size nb_worker pickle_safe",
    "2.0.5": "generator steps max_q_size workers pickle_safe verbose",
    "2.2.4": "generator steps max_queue_size workers use_multiprocessing verbose",
    "2.3.1": "generator steps callbacks max_queue_size workers use_multiprocessing verbose",
}
VALUES = {
    "generator": "a generator",
    "verbose": 2,
    "callbacks": ["a callback"],
    "validation_data": ("x", "y"),
    "class_weight": {0: 1.0},
    "validation_freq": 2,
    "shuffle": False,
    "initial_epoch": 3,
    **dict.fromkeys(("samples_per_epoch", "steps_per_epoch", "val_samples", "steps"), 100),
    **dict.fromkeys(("nb_val_samples", "validation_steps"), 50),
    **dict.fromkeys(("nb_epoch", "epochs"), 7),
    **dict.fromkeys(("max_q_size", "max_queue_size"), 4),
    **dict.fromkeys(("nb_worker", "workers"), 5),
    **dict.fromkeys(("pickle_safe", "use_multiprocessing"), True),
}


class Model:
    """A stand-in for a model: only its identity matters here."""


def fit(*args, **kwargs):
    return parse_fit_arguments(Model(), args, kwargs)


def evaluate(*args, **kwargs):
    return parse_evaluate_arguments("predict_generator", Model(), args, kwargs)


@pytest.mark.parametrize("release", FIT)
@pytest.mark.parametrize("by_name", [True, False])
def test_every_parameter_of_fit_generator_arrives(release, by_name):
    names = FIT[release].split()
    for count in range(2, len(names) + 1):
        passed = {name: VALUES[name] for name in names[:count]}
        arguments = fit(**passed) if by_name else fit(*passed.values())
        unit = "samples" if by_name and release < "2" else "batches"
        assert arguments.generator == "a generator"
        assert arguments.steps == EpochLength(100, unit)
        assert arguments.epochs == (7 if count > 2 else 1)
        assert arguments.verbose == (2 if count > 3 else 1)
        assert arguments.callbacks == (["a callback"] if count > 4 else None)
        assert arguments.validation_data == (("x", "y") if count > 5 else None)
        assert arguments.validation_steps == (EpochLength(50, unit) if count > 6 else None)
        assert arguments.class_weight == passed.get("class_weight")
        assert arguments.max_queue_size == (4 if count > names.index("class_weight") + 1 else 10)
        assert arguments.workers == (5 if {"workers", "nb_worker"} & set(passed) else 1)
        assert arguments.shuffle is ("shuffle" not in passed)
        assert arguments.initial_epoch == passed.get("initial_epoch", 0)
        validated = [epoch for epoch in range(6) if arguments.validation_freq(epoch)]
        assert validated == ([1, 3, 5] if "validation_freq" in passed else list(range(6)))


@pytest.mark.parametrize("release", EVALUATE)
@pytest.mark.parametrize("by_name", [True, False])
def test_every_parameter_of_the_others_arrives(release, by_name):
    names = EVALUATE[release].split()
    for count in range(2, len(names) + 1):
        passed = {name: VALUES[name] for name in names[:count]}
        arguments = evaluate(**passed) if by_name else evaluate(*passed.values())
        unit = "samples" if by_name and release < "2" else "batches"
        assert arguments.steps == EpochLength(100, unit)
        assert arguments.callbacks == passed.get("callbacks")
        has_queue_size = {"max_q_size", "max_queue_size"} & set(passed)
        assert arguments.max_queue_size == (4 if has_queue_size else 10)
        assert arguments.workers == (5 if {"workers", "nb_worker"} & set(passed) else 1)
        assert arguments.verbose == passed.get("verbose", 0)


def test_numbers_without_a_name_count_samples_beside_names_of_keras_1():
    assert fit("g", 100, nb_epoch=2).steps == EpochLength(100, "samples")
    both = fit("g", 100, 2, 1, None, "g", 50, nb_worker=2)
    assert (both.steps, both.validation_steps) == (
        EpochLength(100, "samples"),
        EpochLength(50, "samples"),
    )
    # Keras 2.0 still had these two.
    assert fit("g", 100, 2, max_q_size=2, pickle_safe=True).steps == EpochLength(100, "batches")
    # Old names that were left in a call of Keras 2.
    assert fit("g", 100, nb_epoch=2, workers=3).steps == EpochLength(100, "batches")
    assert fit("g", steps_per_epoch=9, nb_val_samples=50).validation_steps == EpochLength(
        50, "samples"
    )


def test_a_model_is_evaluated_in_the_words_it_was_last_trained_in():
    model = Model()
    assert parse_evaluate_arguments("f", model, ("g", 70), {}).steps == EpochLength(70, "batches")
    parse_fit_arguments(model, ("g",), {"samples_per_epoch": 100, "nb_epoch": 2})
    assert parse_evaluate_arguments("f", model, ("g", 70), {}).steps == EpochLength(70, "samples")
    assert parse_evaluate_arguments("f", model, ("g",), {"steps": 70}).steps == EpochLength(
        70, "batches"
    )
    parse_fit_arguments(model, ("g", 5), {"epochs": 2})
    assert parse_evaluate_arguments("f", model, ("g", 70), {}).steps == EpochLength(70, "batches")
    assert parse_fit_arguments(model, ("g", 70), {}).steps == EpochLength(70, "batches")
    assert evaluate("g", 70).steps == EpochLength(70, "batches")


def test_numbers_without_a_name_can_be_declared_samples():
    set_default_keras_version(1)
    try:
        assert fit("g", 100, 2).steps == EpochLength(100, "samples")
        assert fit("g", steps_per_epoch=100).steps == EpochLength(100, "batches")
    finally:
        set_default_keras_version(2)
    with pytest.raises(ValueError, match="must be 1 or 2"):
        set_default_keras_version(3)


@pytest.mark.parametrize("steps", [2.5, np.float64(2.5), np.float32(2.5), np.ceil(2.5), "2.5", 3])
def test_steps_may_be_floats_and_count_up(steps):
    assert fit("g", steps).steps.max_batches == 3


def test_other_values_of_old():
    arguments = fit("g", 5, epochs=2.0, verbose=True, workers=0, max_queue_size=np.int64(3))
    assert (arguments.epochs, arguments.verbose, arguments.workers, arguments.max_queue_size) == (
        2,
        1,
        0,
        3,
    )
    assert fit("g", 5, validation_steps=0).validation_steps is None
    assert [e for e in range(5) if fit("g", 5, validation_freq=[1, 4]).validation_freq(e)] == [0, 3]
    assert fit("g", 5, 1, 1, None, None, None, None, 3).max_queue_size == 3
    assert fit("g", 5, 1, 1, None, None, None, [2, 4], {0: 2.0}).class_weight == {0: 2.0}


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "message"),
    [
        ((), {}, TypeError, "requires a generator"),
        (("g", 5), {"steps": 3}, TypeError, "no argument 'steps'"),
        (("g", 5), {"steps_per_epoch": 3}, TypeError, "twice: by position and as steps_per_epoch="),
        (("g",), {"epochs": 3, "nb_epoch": 2}, TypeError, "twice: as epochs= and as nb_epoch="),
        (("g", 0), {}, ValueError, "`samples // batch_size`"),
        (("g", math.inf), {}, ValueError, "finite"),
        (("g", "many"), {}, TypeError, "must be a number"),
        (("g", 5), {"validation_freq": 0}, ValueError, "at least 1"),
        (range(15), {}, TypeError, "at most 14 positional arguments"),
    ],
)
def test_what_cannot_be_meant_is_refused(args, kwargs, error, message):
    with pytest.raises(error, match=message):
        fit(*args, **kwargs)
