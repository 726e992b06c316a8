"""`train_on_batch` and the other methods for one batch, with the arguments of Keras 1 and 2."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from keras_bigdata.legacy.models import array_data
from keras_bigdata.legacy.models.metric_order import in_old_order
from keras_bigdata.legacy.patching import wrap

_TRAIN = ("x", "y", "sample_weight", "class_weight", "return_dict")
# `Sequential` of Keras 1.
_TRAIN_KERAS_1 = ("x", "y", "class_weight", "sample_weight")
_TEST = ("x", "y", "sample_weight", "return_dict")


def install() -> None:
    """Makes the three methods take old arguments and data."""
    wrap(keras.Model, "train_on_batch", lambda former: _on_batch(former, "train_on_batch"))
    wrap(keras.Model, "test_on_batch", lambda former: _on_batch(former, "test_on_batch"))
    wrap(keras.Model, "predict_on_batch", _predict_on_batch)


def _on_batch(former: Any, method: str) -> Any:
    @functools.wraps(former)
    def on_batch(self: Any, *args: Any, **kwargs: Any) -> Any:
        arguments = _named(self, method, args, kwargs)
        resets_metrics = arguments.pop("reset_metrics", True)
        as_dict = arguments.pop("return_dict", False)
        if arguments.pop("accuracy", None) is not None:
            warnings.warn(
                f"{method}: `accuracy` has no effect, as in Keras 1.2. Pass metrics=['accuracy'] "
                "to `compile`.",
                stacklevel=2,
            )
        arguments["x"] = array_data.inputs(self, arguments["x"])
        if arguments.get("y") is not None:
            array_data.convert_targets(self, arguments)
        with contextlib.nullcontext() if resets_metrics else _kept_metrics(self):
            results = former(self, return_dict=True, **arguments)
        if as_dict or not isinstance(results, dict):
            return results
        return in_old_order(self, results)

    return on_batch


def _predict_on_batch(former: Any) -> Any:
    @functools.wraps(former)
    def predict_on_batch(self: Any, x: Any) -> Any:
        return former(self, array_data.inputs(self, x))

    return predict_on_batch


def _named(
    model: Any, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    positions = _TRAIN if method == "train_on_batch" else _TEST
    if method == "train_on_batch" and len(args) > 2 and isinstance(model, keras.Sequential):
        is_class_weight = isinstance(args[2], dict) or (args[2] is None and len(args) > 3)
        if is_class_weight and not (len(args) > 3 and isinstance(args[3], dict)):
            positions = _TRAIN_KERAS_1
    if len(args) > len(positions):
        raise TypeError(
            f"{method}() takes at most {len(positions)} positional arguments. Received: {len(args)}"
        )
    named = dict(zip(positions, args, strict=False))
    for name in kwargs:
        if name in named:
            raise TypeError(f"{method}() got {name!r} twice: by position and as {name}=")
    if "x" not in named and "x" not in kwargs:
        raise TypeError(f"{method}() requires `x`.")
    return {**named, **kwargs}


@contextlib.contextmanager
def _kept_metrics(model: Any) -> Iterator[None]:
    """Keeps the metrics of earlier calls within the block, as `reset_metrics=False` did.

    `train_on_batch` of Keras 3 calls `reset_metrics()` of the model.
    """
    vars(model)["reset_metrics"] = lambda: None
    try:
        yield
    finally:
        del vars(model)["reset_metrics"]
