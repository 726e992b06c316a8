"""What a generator yields, as the tuples of arrays that Keras 3 takes; copied at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

Batch = tuple[Any, ...]


def training_batch(raw: Any) -> Batch:
    """`(x, y)` or `(x, y, sample_weight)`, from a tuple or a list; arrays are copied.

    Raises:
        ValueError: if it is something else, or the arrays do not fit together.
        TypeError: if there is no array where one must be.
    """
    if isinstance(raw, Mapping):
        return (copied(raw, "x"),)  # features only, for models with a loss of their own
    if not isinstance(raw, (tuple, list)) or not 1 <= len(raw) <= 3:
        raise ValueError(
            "A generator to train on or to evaluate must give batches (x, y) or "
            f"(x, y, sample_weight). Received: {described(raw)}"
        )
    x = copied(raw[0], "x")
    y = copied(raw[1], "y") if len(raw) > 1 else None
    weight = copied(raw[2], "sample_weight") if len(raw) > 2 else None
    rows = rows_of((x,))
    if y is None:
        return (x,)
    if weight is None:
        return (x, y)
    return (x, y, _ones_for_none(weight, rows))


def inputs_batch(raw: Any, inputs: int | None = None) -> Batch:
    """`(x,)`, from what a generator for training or one for prediction yields.

    A tuple is `(x, y)` or `(x, y, sample_weight)`; anything else is `x`, a list several inputs.

    Args:
        raw: what the generator gave.
        inputs: how many inputs the model has, if known. With one, a list `[x, y]` is as a tuple.

    Raises:
        ValueError: if it is a tuple of another length, or has no rows.
        TypeError: if there is no array where one must be.
    """
    as_tuple = isinstance(raw, list) and inputs == 1 and len(raw) > 1 and not _holds_numbers(raw)
    if isinstance(raw, tuple) or as_tuple:
        if not 1 <= len(raw) <= 3:
            raise ValueError(
                "A generator to predict from must give x, (x, y) or (x, y, sample_weight). "
                f"Received: {described(raw)}. Several inputs are a list."
            )
        raw = raw[0]
    x = copied(raw, "x")
    rows_of((x,))
    return (x,)


def copied(value: Any, where: str) -> Any:
    """The structure with lists as tuples and arrays of its own.

    A generator may refill its arrays while batches are still waiting. One array alone in a list
    is that array, as old Keras had it.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {str(key): copied(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (tuple, list)) and not _holds_numbers(value):
        parts = tuple(copied(item, f"{where}[{i}]") for i, item in enumerate(value))
        return parts[0] if len(parts) == 1 else parts
    if is_special(value):
        return value.copy() if hasattr(value, "tocoo") else value
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array = np.array(value)
    if array.dtype.kind == "O":
        raise TypeError(
            f"{where} holds objects, not numbers: rows of different lengths, or something that is "
            f"no array. Received: {described(value)}"
        )
    if array.ndim == 0:
        raise TypeError(f"{where} must be an array with rows. Received: {described(value)}")
    return array


def rows_of(batch: Any) -> int:
    """The number of samples in a batch.

    Raises:
        ValueError: if there is none, or no array.
    """
    first = next((leaf for leaf in leaves(batch) if leaf is not None), None)
    if first is None:
        raise ValueError("A batch has no array in it.")
    rows = int(first.shape[0])
    if rows == 0:
        raise ValueError("A batch is empty: its arrays have no rows.")
    return rows


def leaves(structure: Any) -> Iterator[Any]:
    """The arrays of a structure of tuples and dicts, and the `None`s."""
    if isinstance(structure, dict):
        for item in structure.values():
            yield from leaves(item)
    elif isinstance(structure, tuple):
        for item in structure:
            yield from leaves(item)
    else:
        yield structure


def mapped(function: Callable[..., Any], structure: Any, *others: Any) -> Any:
    """The structure of what `function` makes of its arrays, and of those of `others` beside them.

    Raises:
        ValueError: if another one is built in another way.
    """
    for other in others:
        if isinstance(structure, dict):
            same = isinstance(other, dict) and structure.keys() == other.keys()
        elif isinstance(structure, tuple):
            same = isinstance(other, tuple) and len(structure) == len(other)
        else:
            same = not isinstance(other, (dict, tuple))
        if not same:
            raise ValueError(
                f"batches differ in structure: {described(structure)} and {described(other)}"
            )
    if isinstance(structure, dict):
        return {
            key: mapped(function, item, *(other[key] for other in others))
            for key, item in structure.items()
        }
    if isinstance(structure, tuple):
        return tuple(mapped(function, *parts) for parts in zip(structure, *others, strict=True))
    return function(structure, *others)


def described(value: Any) -> str:
    """A value in a few words, for messages."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {described(value[key])}' for key in value)}}}"
    if isinstance(value, (tuple, list)) and not _holds_numbers(value):
        text = ", ".join(described(item) for item in value[:4])
        text += ", ..." if len(value) > 4 else ""
        return f"({text})" if isinstance(value, tuple) else f"[{text}]"
    if hasattr(value, "shape"):
        dtype = getattr(value, "dtype", type(value).__name__)
        return f"array of shape {tuple(value.shape)} and dtype {dtype}"
    return f"{type(value).__name__} {str(value)[:40]}"


def is_special(value: Any) -> bool:
    """Sparse and ragged arrays, which stay what they are."""
    return hasattr(value, "tocoo") or type(value).__name__ in ("SparseTensor", "RaggedTensor")


def _holds_numbers(value: Any) -> bool:
    """Whether a list is itself an array: numbers, or lists of them."""
    if not value:
        return False
    first = value[0]
    if isinstance(first, (list, tuple)):
        return _holds_numbers(first)
    return isinstance(first, (int, float, np.number, np.bool_))


def in_output_order(batch: Batch, names: Sequence[str]) -> Batch:
    """Targets and weights that are dicts of output names, as tuples in the model's order.

    Args:
        batch: `(x, y)` or `(x, y, sample_weight)`.
        names: the names of the model's outputs.
    """
    x, y, weight = (*batch, None, None)[:3]
    if not isinstance(y, dict) and not isinstance(weight, dict):
        return batch
    if isinstance(y, dict):
        if set(y) != set(names):
            return batch
        y = _in_order(y, names)
    if weight is None:
        return (x, y)
    if isinstance(weight, dict) and set(weight) <= set(names):
        rows = rows_of((x,))
        weight = _ones_for_none(_in_order(weight, names), rows)
    return (x, y, weight)


def _in_order(values: dict[str, Any], names: Sequence[str]) -> Any:
    parts = tuple(values.get(name) for name in names)
    return parts[0] if len(parts) == 1 else parts


def _ones_for_none(weight: Any, rows: int) -> Any:
    return mapped(lambda leaf: np.ones(rows, np.float32) if leaf is None else leaf, weight)
