"""Custom layers of scripts for Keras 1 and 2."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import order_own_variables
from keras_bigdata.legacy.patching import add_name, replace, wrap
from keras_bigdata.old_keras.keras_2_layers import ADD_WEIGHT_1, ADD_WEIGHT_2


def install() -> None:
    """Makes custom layers work that were written for Keras 1 and 2."""
    layer = keras.layers.Layer
    wrap(layer, "add_weight", _add_weight)
    add_name(layer, "get_output_shape_for", _get_output_shape_for)
    wrap(layer, "compute_output_shape", _compute_output_shape)
    for name, trainable in (("trainable_weights", True), ("non_trainable_weights", False)):
        current = getattr(layer, name)
        if isinstance(current, property) and current.fset is None:
            weights = property(
                functools.partial(_get_weights, former=current.fget, trainable=trainable),
                functools.partial(_set_weights, trainable=trainable),
            )
            replace(layer, name, weights)
            add_name(layer, f"_{name}", weights)  # its name in Keras 2


def _add_weight(add_weight: Any) -> Any:
    @functools.wraps(add_weight)
    def add_weight_by_position(self: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs = {**_named_positions(args, kwargs), **kwargs}
        if isinstance(kwargs.get("name"), str):
            kwargs["name"] = kwargs["name"].replace("/", "_")  # Keras 3 allows no slash
        shape = kwargs.get("shape")
        if isinstance(shape, list | tuple):
            kwargs["shape"] = tuple(None if size is None else int(size) for size in shape)
        return add_weight(self, **kwargs)

    return add_weight_by_position


def _named_positions(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Returns the positional arguments of `add_weight` by name."""
    names: tuple[str, ...] = ADD_WEIGHT_1
    if args and isinstance(args[0], str):
        names = ADD_WEIGHT_2
    elif len(args) > 2 and (len(args) == 3 and _is_dtype(args[2])):
        names = ("shape", "initializer", "dtype")  # Keras 3
    elif len(args) == 1 and "name" in kwargs:
        names = ("shape",)
    if len(args) > len(names):
        raise TypeError(
            f"add_weight takes at most {len(names)} positional arguments here: "
            f"{', '.join(names)}. Received: {len(args)}"
        )
    by_position = dict(zip(names, args, strict=False))
    twice = by_position.keys() & kwargs.keys()
    if twice:
        raise TypeError(f"add_weight got {min(twice)!r} twice: by position and by name.")
    return by_position


def _is_dtype(value: Any) -> bool:
    if value is None:
        return True
    try:
        keras.backend.standardize_dtype(value)
    except (TypeError, ValueError):
        return False
    return True


def _get_output_shape_for(self: Any, input_shape: Any) -> Any:
    """Returns the shape of the output, under its name in Keras 1."""
    return self.compute_output_shape(input_shape)


def _compute_output_shape(compute_output_shape: Any) -> Any:
    @functools.wraps(compute_output_shape)
    def compute_output_shape_as_keras_1(self: Any, *args: Any, **kwargs: Any) -> Any:
        if type(self).get_output_shape_for is not _get_output_shape_for:
            return self.get_output_shape_for(*args, **kwargs)
        return compute_output_shape(self, *args, **kwargs)

    return compute_output_shape_as_keras_1


def _get_weights(layer: Any, former: Any, trainable: bool) -> list[Any]:
    return _Weights(former(layer), layer, trainable=trainable)


def _can_be_trained(weight: Any) -> bool:
    """Returns whether the variable of the backend can have a gradient."""
    return keras.backend.backend() != "tensorflow" or bool(getattr(weight.value, "trainable", True))


def _set_weights(layer: Any, weights: Any, trainable: bool) -> None:
    """Makes weights the trainable ones of a layer, or adds them to those that are not trained."""
    weights = list(weights)
    for weight in weights:
        if not isinstance(weight, keras.Variable):
            kind = "trainable_weights" if trainable else "non_trainable_weights"
            raise TypeError(
                f"{kind} of {type(layer).__name__} must be variables of Keras, as "
                f"`self.add_weight(...)` and keras.Variable(...) return them. Received: {weight!r}"
            )
        if trainable and not _can_be_trained(weight):
            raise TypeError(
                f"trainable_weights of {type(layer).__name__}: {weight.name} was created with "
                "trainable=False, and TensorFlow would compute no gradient. Create it with "
                "trainable=True."
            )
    known = {id(weight) for weight in layer.weights}
    unknown = [weight for weight in weights if id(weight) not in known]
    if unknown:
        setattr(layer, f"_weights_set_{len(known)}", unknown)  # Keras tracks them
    chosen = {id(weight) for weight in weights}
    rest = [weight for weight in layer.weights if id(weight) not in chosen]
    if trainable:
        trained, others = weights, rest
    else:
        trained = [weight for weight in rest if weight.trainable]
        others = [weight for weight in rest if not weight.trainable] + weights
    for weight in trained:
        weight.trainable = layer.trainable
    for weight in others:
        weight.trainable = False
    # The order of Keras 2; and `layer.trainable = False` freezes them.
    order_own_variables(layer, trained, others)


class _Weights(list[Any]):
    """The weights of a layer: a list that sets them when a script appends to it.

    Args:
        weights: its weights.
        layer: the layer; `None` for a list that is made from another one, as TensorFlow does.
        trainable: whether they are the trainable ones. Defaults to `True`.
    """

    def __init__(
        self, weights: Iterable[Any] = (), layer: Any = None, *, trainable: bool = True
    ) -> None:
        super().__init__(weights)
        self._layer = layer
        self._trainable = trainable

    def append(self, weight: Any) -> None:
        """Adds a weight to the layer."""
        self.extend([weight])

    def extend(self, weights: Iterable[Any]) -> None:
        """Adds weights to the layer."""
        super().extend(weights)
        if self._layer is not None:
            _set_weights(self._layer, list(self), self._trainable)

    def __reduce__(self) -> Any:
        return list, (list(self),)
