"""Recognizes lists and tuples that hold samples, or could: they are not read as fields silently.

`list(zip(images, masks))` and `[images, masks]` are both lists of equal parts. An item of the
first is a sample, an item of the second a field; only the meaning differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import ShardError
from keras_bigdata.representation import format_count
from keras_bigdata.shards.pickles.nodes import ArrayNode, Pairs, describe
from keras_bigdata.shards.pickles.source import ByteSource, StoredArray

# A tuple of at most this many arrays is (x, y, sample_weight), even if they are equal in shape.
MAX_ROLES = 3

_NOUNS = ((Pairs, "dict"), (dict, "dict"), (list, "list"), (tuple, "tuple"))

_STACK_POSITIONS = "{'image': np.stack([sample[0] for sample in samples]), ...}"
_STACK_KEYS = "{key: np.stack([sample[key] for sample in samples]) for key in samples[0]}"


def check_not_samples(source: ByteSource, value: Sequence[object]) -> None:
    """Refuses a list or tuple of dicts, or of parts of which none could become a field.

    Args:
        source: the file, for the message.
        value: the list or tuple, none of whose items is a field.

    Raises:
        ShardError: if its items are all dicts, or all tuples and lists.
    """
    example = ""
    if all(isinstance(item, (Pairs, dict)) for item in value):
        example = _STACK_KEYS
    elif all(isinstance(item, (list, tuple)) for item in value):
        example = _STACK_POSITIONS
    if value and example:
        raise ShardError(
            f"{source.path}: the pickle holds {_describe_items(value)}. If each is a sample, write "
            f"a dict with one array per field instead: {example}. If each is a set, such as "
            "training and test data, write each into a file of its own."
        )


def describe_two_readings(
    value: Sequence[object], fields: Mapping[str, StoredArray | npt.NDArray[Any]]
) -> str | None:
    """Returns the two ways in which a list or tuple can be read; `None` if there is one only.

    Args:
        value: the list or tuple, every item of which is a field.
        fields: name -> array of each item.
    """
    arrays = list(fields.values())
    are_arrays = all(isinstance(item, (ArrayNode, np.ndarray)) for item in value)
    are_parts = all(isinstance(item, (list, tuple)) for item in value)
    if not value or len(arrays) != len(value) or not (are_arrays or are_parts):
        return None
    shape = tuple(arrays[0].shape)
    # Numbers in lists get the dtype that they need, which may differ from list to list.
    kinds = {array.dtype if are_arrays else _kind(array.dtype) for array in arrays}
    if not shape or len(kinds) > 1 or any(tuple(array.shape) != shape for array in arrays):
        return None
    holds_tuples = any(isinstance(item, tuple) for item in value)
    if isinstance(value, tuple) and len(value) <= MAX_ROLES and not holds_tuples:
        return None  # (x, y)
    if len(value) == 1 and not holds_tuples:
        return None  # [x]
    if holds_tuples:
        samples = f"with {_name_fields(shape[0])}, as list(zip(images, masks)) makes them"
        advice = f"a dict with one array per field: {_STACK_POSITIONS}"
    else:
        samples = f"of shape {shape}"
        advice = "a dict with one array of all samples: {'x': np.stack(samples)}"
    return (
        f"the pickle holds {_describe_items(value)} of equal shape, which can be read in two ways: "
        f"as {format_count(len(value), 'sample')} {samples}; or as {_name_fields(len(value))} of "
        f"{shape[0]:,} rows each. If they are samples, write {advice}. If they are fields, pass "
        "layout='columns'."
    )


def _kind(dtype: np.dtype[Any]) -> str:
    return "number" if dtype.kind in "biufc" else dtype.kind


def _describe_items(value: Sequence[object]) -> str:
    nouns = {
        next((noun for kind, noun in _NOUNS if isinstance(item, kind)), "array") for item in value
    }
    noun = nouns.pop() if len(nouns) == 1 else "item"
    return f"{describe(value)} of {format_count(len(value), noun)}"


def _name_fields(count: int) -> str:
    if count == 1:
        return "the field '0'"
    return f"the fields '0' {'and' if count == 2 else 'to'} '{count - 1}'"
