"""The arrays in the nested tuples and dicts of a batch: copied, counted, mapped, described."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

# `(x,)`, `(x, y)` or `(x, y, sample_weight)`. Each part is an array, or a tuple or dict of parts.
Batch = tuple[Any, ...]


def copy_arrays(value: Any, where: str) -> Any:
    """Copies the arrays of a nested structure; lists become tuples.

    A generator may refill its arrays while earlier batches still wait in the queue. A list or tuple
    of one array becomes that array, as in old Keras.

    Args:
        value: an array, or a list, tuple or dict of arrays. `None` stays `None`.
        where: the part of the batch that it is, for messages.

    Raises:
        TypeError: if there is something other than an array with rows of numbers.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {str(key): copy_arrays(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (tuple, list)) and not is_list_of_numbers(value):
        parts = tuple(copy_arrays(item, f"{where}[{i}]") for i, item in enumerate(value))
        return parts[0] if len(parts) == 1 else parts
    if _is_sparse_or_ragged(value):
        return value.copy() if hasattr(value, "tocoo") else value
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array = np.array(value)
    if array.dtype.kind == "O":
        raise TypeError(
            f"{where} must be an array of numbers, but it holds objects: rows of different "
            f"lengths, or values that are not numbers. Received: {describe(value)}"
        )
    if array.ndim == 0:
        raise TypeError(f"{where} must be an array with rows. Received: {describe(value)}")
    return array


def count_rows(batch: Any) -> int:
    """Returns the number of samples in a batch.

    Raises:
        ValueError: if the batch has no array, or its first array has no rows.
    """
    first = next((leaf for leaf in iterate_leaves(batch) if leaf is not None), None)
    if first is None:
        raise ValueError("A batch must hold at least one array. Received a batch without arrays.")
    rows = int(first.shape[0])
    if rows == 0:
        raise ValueError("A batch is empty: its arrays have no rows.")
    return rows


def iterate_leaves(structure: Any) -> Iterator[Any]:
    """Yields the arrays and the `None`s of a structure of tuples and dicts."""
    if isinstance(structure, dict):
        for item in structure.values():
            yield from iterate_leaves(item)
    elif isinstance(structure, tuple):
        for item in structure:
            yield from iterate_leaves(item)
    else:
        yield structure


def map_arrays(function: Callable[..., Any], structure: Any, *others: Any) -> Any:
    """Applies a function to each leaf of a structure and the corresponding leaves of the others.

    Args:
        function: called with a leaf of each structure.
        structure: a leaf, or a tuple or dict of structures.
        *others: structures with the same nesting.

    Returns:
        The results, nested as `structure` is.

    Raises:
        ValueError: if the structures differ in their nesting.
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
                f"batches differ in structure: {describe(structure)} and {describe(other)}"
            )
    if isinstance(structure, dict):
        return {
            key: map_arrays(function, item, *(other[key] for other in others))
            for key, item in structure.items()
        }
    if isinstance(structure, tuple):
        return tuple(map_arrays(function, *parts) for parts in zip(structure, *others, strict=True))
    return function(structure, *others)


def describe(value: Any) -> str:
    """Describes a value by its structure, shapes and dtypes, for messages."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {describe(value[key])}' for key in value)}}}"
    if isinstance(value, (tuple, list)) and not is_list_of_numbers(value):
        text = ", ".join(describe(item) for item in value[:4])
        text += ", ..." if len(value) > 4 else ""
        return f"({text})" if isinstance(value, tuple) else f"[{text}]"
    if hasattr(value, "shape"):
        dtype = getattr(value, "dtype", type(value).__name__)
        return f"array of shape {tuple(value.shape)} and dtype {dtype}"
    return f"{type(value).__name__} {str(value)[:40]}"


def is_list_of_numbers(value: Any) -> bool:
    """Whether a list is itself an array: it holds numbers, or lists of numbers."""
    if not value:
        return False
    first = value[0]
    if isinstance(first, (list, tuple)):
        return is_list_of_numbers(first)
    return isinstance(first, (int, float, np.number, np.bool_))


def _is_sparse_or_ragged(value: Any) -> bool:
    """Whether the value is a sparse or ragged array, which keeps its type."""
    return hasattr(value, "tocoo") or type(value).__name__ in ("SparseTensor", "RaggedTensor")
