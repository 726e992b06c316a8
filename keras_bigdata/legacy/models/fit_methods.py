"""`fit`, `evaluate` and `predict` with the arguments, data and results of Keras 1 and 2."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import keras

from keras_bigdata.legacy.calling_script import default_keras_version
from keras_bigdata.legacy.generators import methods
from keras_bigdata.legacy.generators.batch_stream import is_iterator
from keras_bigdata.legacy.generators.callback_lists import as_list, progress_bar
from keras_bigdata.legacy.metric_names import MetricAliases
from keras_bigdata.legacy.models import array_data
from keras_bigdata.legacy.models.fit_arguments import MethodCall, is_keras_sequence, parse
from keras_bigdata.legacy.models.metric_order import in_old_order
from keras_bigdata.legacy.patching import wrap
from keras_bigdata.legacy.training.batch_logs import rows_of_arrays, with_batch_logs
from keras_bigdata.old_keras.method_arguments import KERAS_1_DEFAULT_EPOCHS, SHARED_ARGUMENTS

# Arguments that have no effect on data that come in batches.
_WITHOUT_EFFECT = {"validation_batch_size"}


def install() -> None:
    """Makes the three methods take old arguments and data."""
    wrap(keras.Model, "fit", _fit)
    wrap(keras.Model, "evaluate", _evaluate)
    wrap(keras.Model, "predict", _predict)


def _fit(former: Any) -> Any:
    @functools.wraps(former)
    def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_inner_call(args, kwargs):
            return former(self, *args, **kwargs)
        call = parse("fit", args, kwargs)
        is_keras_1 = call.is_keras_1 or default_keras_version() == 1
        if is_keras_1 and "epochs" not in call.arguments:
            call.arguments["epochs"] = KERAS_1_DEFAULT_EPOCHS
        if call.reads_generator:
            return methods.fit_generator(self, **_for_generator(call))
        arguments = call.arguments
        if _holds_arrays(arguments.get("x")):
            _convert_training_data(self, arguments)
        callbacks = as_list(arguments.pop("callbacks", None))
        aliases = MetricAliases(callbacks)
        bar = progress_bar(arguments.get("verbose", "auto"), callbacks)
        sizes = (arguments.get(name) for name in ("x", "batch_size", "validation_split"))
        listed = with_batch_logs(rows_of_arrays(*sizes), aliases.around())
        try:
            return former(self, callbacks=[*bar, *listed], **arguments)
        finally:
            aliases.restore()

    return fit


def _evaluate(former: Any) -> Any:
    @functools.wraps(former)
    def evaluate(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_inner_call(args, kwargs):
            return former(self, *args, **kwargs)
        call = parse("evaluate", args, kwargs)
        as_dict = call.arguments.pop("return_dict", False)
        if call.reads_generator and not as_dict:
            return methods.evaluate_generator(self, **_for_generator(call))
        arguments = call.arguments
        if _holds_arrays(arguments.get("x")):
            _convert_arrays(self, arguments)
        results = former(self, return_dict=True, **arguments)
        if as_dict or not isinstance(results, dict):
            return results
        return in_old_order(self, results)

    return evaluate


def _predict(former: Any) -> Any:
    @functools.wraps(former)
    def predict(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_inner_call(args, kwargs):
            return former(self, *args, **kwargs)
        call = parse("predict", args, kwargs)
        call.arguments.setdefault("verbose", 0)
        if call.reads_generator:
            return methods.predict_generator(self, **_for_generator(call))
        if _holds_arrays(call.arguments.get("x")):
            call.arguments["x"] = array_data.inputs(self, call.arguments["x"])
        return former(self, **call.arguments)

    return predict


def _is_inner_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether Keras or this package calls the method, for a call that was converted already."""
    return "_use_cached_eval_dataset" in kwargs or any(
        isinstance(value, keras.callbacks.CallbackList) for value in (*args, *kwargs.values())
    )


def _holds_arrays(x: Any) -> bool:
    return x is not None and not is_keras_sequence(x) and not is_iterator(x)


def _for_generator(call: MethodCall) -> dict[str, Any]:
    """Returns the arguments for `fit_generator`, `evaluate_generator` or `predict_generator`.

    Raises:
        ValueError: if there are arguments that only arrays can be used with.
    """
    arguments = {name: v for name, v in call.arguments.items() if name not in _WITHOUT_EFFECT}
    generator = arguments.pop("x")
    refused = []
    for name in sorted(set(arguments) - SHARED_ARGUMENTS[call.method]):
        value = arguments.pop(name)
        if name == "batch_size" and value is not None:
            warnings.warn(
                f"{call.method}: batch_size={value!r} has no effect: the size of the batches is "
                f"that of the {type(generator).__name__}.",
                stacklevel=4,
            )
        elif (
            value is not None
            and value is not False
            and not (name == "validation_split" and not value)
        ):
            refused.append(name)
    if refused:
        raise ValueError(
            f"{call.method}: {', '.join(refused)} cannot be passed with batches of a "
            f"{type(generator).__name__}, which must yield (x, y) or (x, y, sample_weight) itself."
        )
    if call.method != "fit":
        arguments.setdefault("verbose", "auto")
    return {"generator": generator, **arguments, **call.queue}


def _convert_training_data(model: Any, arguments: dict[str, Any]) -> None:
    """Converts the arrays of a call of `fit`, and those of its validation."""
    _convert_arrays(model, arguments)
    validation = arguments.get("validation_data")
    if isinstance(validation, (tuple, list)) and 2 <= len(validation) <= 3:
        converted = {"x": validation[0], "y": validation[1]}
        if len(validation) == 3:
            converted["sample_weight"] = validation[2]
        _convert_arrays(model, converted)
        arguments["validation_data"] = tuple(converted.values())
    elif validation is not None and is_iterator(validation):
        warnings.warn(
            "fit: `validation_data` is a generator. Keras 3 does not continue where the last "
            "validation stopped, but begins each with the same two batches, so `val_loss` may "
            "differ from that of Keras 2. Pass arrays or a Sequence.",
            stacklevel=4,
        )
    elif isinstance(validation, (tuple, list)) and not validation:
        arguments["validation_data"] = None


def _convert_arrays(model: Any, arguments: dict[str, Any]) -> None:
    arguments["x"] = array_data.inputs(model, arguments["x"])
    if arguments.get("y") is not None:
        array_data.convert_targets(model, arguments)
