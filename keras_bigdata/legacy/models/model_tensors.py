"""The symbolic inputs and outputs of a model, their names and shapes, where they are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


def output_names(model: Any) -> list[str]:
    """Returns the names of the outputs in their order; `[]` if the model does not know them."""
    outputs = tensors(model, "outputs")
    names = list(getattr(model, "output_names", None) or ()) if outputs else []
    return names if len(names) == len(outputs) else []


def class_weight_names(model: Any) -> list[str]:
    """Returns the names that `class_weight` has for the outputs; `[]` if they are not known.

    A `Sequential` of Keras 3 has no `output_names`. In Keras 2 its output had the name of its last
    layer.
    """
    names = list(getattr(model, "output_names", None) or ())
    if not names and isinstance(model, keras.Sequential) and model.layers:
        return [model.layers[-1].name]
    return names


def used_inputs(model: Any, x: Any) -> Any:
    """Returns a dict of inputs without the entries that the model does not have.

    Keras 1 and 2 took the inputs by name, and ignored other entries, such as texts for a callback.

    Args:
        model: the model.
        x: its inputs. They are returned unchanged if they are not a dict, if an input is missing,
            or if the names of the inputs are not known.
    """
    if not isinstance(x, Mapping):
        return x
    names = [tensor.name for tensor in tensors(model, "inputs")]
    is_complete = bool(names) and set(names) < set(x)
    return {name: x[name] for name in names} if is_complete else x


def tensors(model: Any, kind: str) -> list[Any]:
    """Returns the symbolic inputs or outputs; `[]` if there are none or they are not built yet.

    Args:
        model: the model.
        kind: `"inputs"` or `"outputs"`.
    """
    try:
        return list(keras.tree.flatten(getattr(model, kind, None) or ()))
    except (AttributeError, ValueError):
        return []


def shapes(model: Any, kind: str) -> list[tuple[Any, ...]]:
    """Returns the shapes of the symbolic inputs or outputs, as `tensors` does."""
    return [tuple(tensor.shape) for tensor in tensors(model, kind)]
