"""Data that callbacks had in Keras 1 and 2: `validation_data`, and more entries in `params`.

`self.validation_data` is the list of inputs, targets and sample weights, and 0 (the learning phase)
if the model has layers that behave differently in training, such as Dropout. It is known if the
validation data are arrays.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np

from keras_bigdata.legacy.patching import add_name, replace, wrap
from keras_bigdata.old_keras.generator_arguments import KERAS_2_POSITIONS
from keras_bigdata.old_keras.method_arguments import FIT_POSITIONS

# The additional entries of `params` in the current `fit`.
_params: ContextVar[dict[str, Any] | None] = ContextVar("params", default=None)

_WITH_LEARNING_PHASE = ("Dropout", "Noise", "BatchNormalization")


def install() -> None:
    """Makes callbacks have the validation data and the old `params`."""
    callback = keras.callbacks.Callback
    add_name(callback, "validation_data", None)
    model = callback.model
    if isinstance(model, property) and model.fset is None:
        # Callbacks of old scripts assign the model themselves.
        replace(callback, "model", property(model.fget, _set_model))
    wrap(keras.callbacks.CallbackList, "set_params", _with_old_params)
    wrap(keras.Model, "fit", _fit_with_data)
    wrap(keras.Model, "fit_generator", _fit_generator_with_data)


def _set_model(callback: Any, model: Any) -> None:
    callback._model = model


def _fit_with_data(fit: Any) -> Any:
    @functools.wraps(fit)
    def fit_with_data(self: Any, *args: Any, **kwargs: Any) -> Any:
        named = {**dict(zip(FIT_POSITIONS, args, strict=False)), **kwargs}
        x, y = named.get("x"), named.get("y")
        validation = _validation_arrays(self, named.get("validation_data"))
        rows = _rows(x)
        split = named.get("validation_split") or 0.0
        if validation is None and split and rows is not None:
            first = int(rows * (1 - split))
            parts = [_last_rows(part, first) for part in (x, y, named.get("sample_weight"))]
            validation = _validation_arrays(self, parts)
            rows = first
        params = {
            "batch_size": named.get("batch_size") or (None if rows is None else 32),
            "do_validation": bool(split) or named.get("validation_data") is not None,
        }
        if rows is not None:
            params["samples"] = params["nb_sample"] = rows
        with _visible(self, named.get("callbacks"), validation, params):
            return fit(self, *args, **kwargs)

    return fit_with_data


def _fit_generator_with_data(fit_generator: Any) -> Any:
    @functools.wraps(fit_generator)
    def fit_generator_with_data(self: Any, *args: Any, **kwargs: Any) -> Any:
        named = {**dict(zip(KERAS_2_POSITIONS["fit_generator"], args, strict=False)), **kwargs}
        validation = _validation_arrays(self, named.get("validation_data"))
        params = {"do_validation": named.get("validation_data") is not None}
        if "samples_per_epoch" in named:
            params["nb_sample"] = params["samples"] = named["samples_per_epoch"]
        with _visible(self, named.get("callbacks"), validation, params):
            return fit_generator(self, *args, **kwargs)

    return fit_generator_with_data


@contextlib.contextmanager
def _visible(
    model: Any, callbacks: Any, validation: list[Any] | None, params: dict[str, Any]
) -> Iterator[None]:
    """Makes the validation data and the parameters visible for the duration of the block."""
    if validation is not None:
        for callback in _callbacks(callbacks):
            callback.validation_data = validation
        object.__setattr__(model, "validation_data", validation)
    is_outermost = _params.get() is None
    token = _params.set(params) if is_outermost else None
    try:
        yield
    finally:
        if token is not None:
            _params.reset(token)
        if validation is not None:
            vars(model).pop("validation_data", None)


def _callbacks(callbacks: Any) -> Iterable[Any]:
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = callbacks.callbacks
    if isinstance(callbacks, list | tuple):
        for callback in callbacks:
            yield from _callbacks(callback)
    elif isinstance(callbacks, keras.callbacks.Callback):
        yield callbacks


def _with_old_params(set_params: Any) -> Any:
    @functools.wraps(set_params)
    def set_params_with_old_ones(self: Any, params: Any) -> None:
        old = _params.get()
        if params and old is not None:
            metrics = _metric_names(self.model)
            if old.get("do_validation"):
                metrics = [*metrics, *(f"val_{name}" for name in metrics)]
            params = {**old, "nb_epoch": params.get("epochs"), "metrics": metrics, **params}
        set_params(self, params)

    return set_params_with_old_ones


def _metric_names(model: Any) -> list[str]:
    names = [] if model is None else list(model.metrics_names)
    if "compile_metrics" not in names:
        return names
    return ["loss", *_compiled_names((model.get_compile_config() or {}).get("metrics"))]


def _compiled_names(metrics: Any) -> list[str]:
    """Returns the names of metrics in the configuration of `compile`."""
    if isinstance(metrics, str):
        return [metrics]
    if isinstance(metrics, list | tuple):
        return [name for metric in metrics for name in _compiled_names(metric)]
    if isinstance(metrics, dict) and "class_name" in metrics:
        config = metrics.get("config")
        name = config.get("name") if isinstance(config, dict) else config
        return [name] if isinstance(name, str) else []
    if isinstance(metrics, dict):
        return [name for metric in metrics.values() for name in _compiled_names(metric)]
    return []


def _arrays(data: Any) -> list[Any] | None:
    """Returns the arrays of inputs or targets as Keras 2 listed them; `None` for other data."""
    if isinstance(data, dict):
        data = list(data.values())
    parts = list(data) if isinstance(data, list | tuple) else [data]
    return parts if all(isinstance(part, np.ndarray) for part in parts) else None


def _rows(data: Any) -> int | None:
    arrays = None if data is None else _arrays(data)
    return len(arrays[0]) if arrays else None


def _last_rows(data: Any, first: int) -> Any:
    if data is None:
        return None
    arrays = _arrays(data)
    return data if arrays is None else [array[first:] for array in arrays]


def _validation_arrays(model: Any, data: Any) -> list[Any] | None:
    if not isinstance(data, list | tuple) or len(data) not in (2, 3):
        return None
    x, y = _arrays(data[0]), _arrays(data[1])
    if not x or not y:
        return None
    weights = data[2] if len(data) == 3 else None
    weight_list = _arrays(weights) if weights is not None else None
    if weight_list is None:
        weight_list = [np.ones(len(target), keras.config.floatx()) for target in y]
    phase = [0.0] if _has_learning_phase(model) else []
    return [*x, *y, *weight_list, *phase]


def _has_learning_phase(model: Any) -> bool:
    layers = list(getattr(model, "layers", ()))
    return any(
        type(layer).__name__.endswith(_WITH_LEARNING_PHASE)
        or type(layer).__name__.startswith(("Gaussian", "SpatialDropout"))
        or getattr(layer, "dropout", 0)
        or getattr(layer, "recurrent_dropout", 0)
        or _has_learning_phase(layer)
        for layer in layers
    )
