"""Names and shapes of the inputs and outputs of a model, where they are known."""

from __future__ import annotations

from typing import Any

import keras


def output_names(model: Any) -> list[str]:
    """Returns the names of the outputs in their order; `[]` if the model does not know them."""
    outputs = tensors(model, "outputs")
    names = list(getattr(model, "output_names", None) or ()) if outputs else []
    return names if len(names) == len(outputs) else []


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
