"""Models that several tests share. A new model costs 0.7 s of tracing in its first `fit`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any

import keras
import numpy as np


def reused(build: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    """Wraps a function that returns a compiled model, so that each model is built once.

    Later calls with the same arguments return the same model with its initial variables. A test
    must not compile it again, nor ask for it twice. On JAX and torch its first `fit` draws one more
    seed than the later ones, so histories of two calls are not compared there.
    """
    built: dict[Hashable, tuple[keras.Model, list]] = {}

    @functools.wraps(build)
    def build_or_reset(**arguments: Hashable) -> keras.Model:
        key = tuple(sorted(arguments.items()))
        if key not in built:
            model = build(**arguments)
            model.optimizer.build(model.trainable_variables)
            # Copies: on JAX and torch the arrays share the memory of the variables.
            initial = [np.array(keras.ops.convert_to_numpy(v)) for v in _variables(model)]
            built[key] = model, initial
        model, initial = built[key]
        for variable, value in zip(_variables(model), initial, strict=True):
            variable.assign(value)
        model.stop_training = False
        keras.utils.set_random_seed(0)
        return model

    return build_or_reset


def with_variables(model: keras.Model, x: Any, y: Any) -> keras.Model:
    """Creates the variables of the optimizer and of the metrics, and returns the model.

    TensorFlow traces a step that creates variables twice: a quarter of the time of a first `fit`.
    """
    model.optimizer.build(model.trainable_variables)
    model.compute_metrics(x, y, model(x))
    model.reset_metrics()
    return model


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]
