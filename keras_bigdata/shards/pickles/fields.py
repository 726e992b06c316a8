"""Finds the named fields in the value of a pickle: a dict, a tuple, a list or an array."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import ShardError
from keras_bigdata.shards.pickles.advice import advice_for_object
from keras_bigdata.shards.pickles.decode import NUMBER_TYPES, Decoder, NotAnArray
from keras_bigdata.shards.pickles.nodes import (
    ArrayNode,
    Numbers,
    Pairs,
    Payload,
    ScalarNode,
    as_text,
    describe,
)
from keras_bigdata.shards.pickles.payloads import read_bytes
from keras_bigdata.shards.pickles.source import ByteSource, StoredArray
from keras_bigdata.shards.pickles.two_readings import check_not_samples, describe_two_readings

# Limit on the decoded bytes, however often a list is repeated: this many times the file, plus a
# constant. An integer of two bytes in the file becomes eight, and a short list of names of
# different length may grow more.
_GROWTH = 4
_CONSTANT = 4 << 20

# The keys of rows of any length: see `shards/fields/varlen.py`.
_VARLEN_KEYS = ("values", "offsets")

# A pickle of columns has fewer fields. A pickle of samples, or a hostile one, may have more.
MAX_FIELDS = 10_000


@dataclass(frozen=True)
class StoredVarlen:
    """Rows of any length: see `shards/fields/varlen.py`.

    Args:
        values: where the values lie, or the array where it had to be decoded.
        offsets: the same of the offsets.
    """

    values: StoredArray | npt.NDArray[Any]
    offsets: StoredArray | npt.NDArray[Any]


@dataclass(frozen=True)
class PickleContents:
    """The fields of a pickle.

    Args:
        fields: name -> `StoredArray`, or the array where it had to be decoded.
        skipped_fields: name -> why it cannot become an array (text, a number, a ragged list).
        compressed: whether the file is compressed; positions are then those in its decompressed
            content. Defaults to `False`.
        numbers: names of the values that are a single number. Defaults to `()`.
        is_named: whether the names stand in the file, as the keys of a dict do. Defaults to `True`.
        two_readings: the two ways in which the pickle can be read, if there are two. `fields` is
            then one of them. Defaults to `None`.
        varlen: name -> `StoredVarlen` of the values that are a dict of values and offsets. Defaults
            to `{}`.
    """

    fields: dict[str, StoredArray | npt.NDArray[Any]]
    skipped_fields: dict[str, str]
    compressed: bool = False
    numbers: tuple[str, ...] = ()
    is_named: bool = True
    two_readings: str | None = None
    varlen: dict[str, StoredVarlen] = field(default_factory=dict)


def find_fields(source: ByteSource, value: object, *, trusted: bool = False) -> PickleContents:
    """Finds the fields in the value of a pickle.

    Args:
        source: the open file.
        value: the node that `parse` returned or, with `trusted`, what `pickle.load` returned.
        trusted: whether to decode arrays of any size. Defaults to `False`.

    Raises:
        ShardError: if it is not a dict, tuple, list or array, if it is a list of samples, if it
            has more than `MAX_FIELDS` items, or if two keys have one name.
        UnsafePickleError: if a field is an array of objects, or a list repeats its parts until
            it is far larger than the file.
    """
    decoder = Decoder(source, math.inf if trusted else _GROWTH * source.size + _CONSTANT)
    fields: dict[str, StoredArray | npt.NDArray[Any]] = {}
    skipped: dict[str, str] = {}
    varlen: dict[str, StoredVarlen] = {}
    named = _name_values(source, value, skipped)
    for name, item in named.items():
        parts = _split_varlen(item)
        try:
            if parts is not None:
                stored = [decoder.decode(f"{name}[{key!r}]", parts[key]) for key in _VARLEN_KEYS]
                if len(stored[0].shape) >= 1 == len(stored[1].shape):
                    problem = _end_problem(source, *stored)
                    if problem is None:
                        varlen[name] = StoredVarlen(*stored)
                    else:
                        skipped[name] = problem
                    continue
            fields[name] = decoder.decode(name, item)
        except NotAnArray as reason:
            skipped[name] = str(reason)
    two_readings = None
    if isinstance(value, (list, tuple)) and not isinstance(value, Pairs):
        if not fields:
            check_not_samples(source, value)
        two_readings = describe_two_readings(value, fields)
    return PickleContents(
        fields,
        skipped,
        source.compressed,
        numbers=tuple(name for name, item in named.items() if _is_number(item)),
        is_named=isinstance(value, (Pairs, dict)),
        two_readings=two_readings,
        varlen=varlen,
    )


def _split_varlen(value: object) -> dict[str, object] | None:
    """Returns values and offsets of a dict that holds these two arrays and nothing else."""
    if isinstance(value, Pairs):
        if len(value) != 2 * len(_VARLEN_KEYS):
            return None
        keys, items = [as_text(key) for key in value[::2]], value[1::2]
    elif isinstance(value, dict):
        keys, items = list(value), list(value.values())
    else:
        return None
    if set(keys) != set(_VARLEN_KEYS):
        return None
    parts = dict(zip(map(str, keys), items, strict=True))
    if not all(isinstance(item, (ArrayNode, np.ndarray)) for item in items):
        return None
    return parts


def _end_problem(
    source: ByteSource,
    values: StoredArray | npt.NDArray[Any],
    offsets: StoredArray | npt.NDArray[Any],
) -> str | None:
    """Returns why the last offset is not the number of values; `None` if it is.

    Other bytes of the file would be read as rows. The other offsets are checked when they are read.
    """
    if not offsets.shape[0] or offsets.dtype.kind not in "iu":
        return None
    last: Any = offsets
    if isinstance(offsets, StoredArray):
        size = offsets.dtype.itemsize
        place = offsets.offset + (offsets.shape[0] - 1) * size
        last = np.frombuffer(source.read(place, size), offsets.dtype)
    end, count = int(last[-1]), values.shape[0]
    if end == count:
        return None
    return f"its rows have offsets that end at {end:,}, and there are {count:,} values"


def _name_values(source: ByteSource, value: object, skipped: dict[str, str]) -> dict[str, object]:
    """Returns the values that could be fields, by name."""
    if isinstance(value, (ArrayNode, np.ndarray)):
        return {"0": value}
    if isinstance(value, Pairs):
        _check_count(source, value, len(value) // 2)
        return _name_items(source, zip(value[::2], value[1::2], strict=True), skipped)
    if isinstance(value, dict):
        _check_count(source, value, len(value))
        return _name_items(source, value.items(), skipped)
    if not isinstance(value, (list, tuple)):
        advice = advice_for_object(value)
        raise ShardError(
            f"{source.path}: the pickle holds {describe(value)}{f' ({advice})' if advice else ''}. "
            "A dict of arrays was expected, or a tuple or list of arrays, or one array."
        )
    if value and set(map(type, value)) <= {*NUMBER_TYPES, str, bytes, Payload, ScalarNode}:
        return {"0": value}
    _check_count(source, value, len(value))
    named: dict[str, object] = {}
    position = 0
    for item in value:
        named[str(position)] = item
        position += len(item.values) if isinstance(item, Numbers) else 1
    return named


def _check_count(source: ByteSource, value: object, count: int) -> None:
    """Refuses more items than any pickle has fields."""
    if count > MAX_FIELDS:
        raise ShardError(
            f"{source.path}: the pickle holds {describe(value)} of {count:,} items, and a pickle "
            f"has at most {MAX_FIELDS:,} fields. If each item is a sample, write one array of all "
            "samples, as np.stack makes it, or a dict with one such array per field."
        )


def _is_number(value: object) -> bool:
    """Returns whether a value is a single number, such as the label of a sample."""
    if isinstance(value, (ScalarNode, np.generic)):
        return value.dtype.kind in "biufc"
    return type(value) in NUMBER_TYPES and not isinstance(value, Numbers)


def _name_items(
    source: ByteSource, items: Iterable[tuple[object, object]], skipped: dict[str, str]
) -> dict[str, object]:
    """Returns the values of a dict by the names that its keys stand for."""
    named: dict[str, object] = {}
    kinds: dict[str, type] = {}
    equal_names: set[tuple[type, str]] = set()
    for key, value in items:
        name = as_text(key)
        if isinstance(key, bytes):
            name = key.decode("latin-1")
        elif type(key) is int:
            name = str(key)
        if name is None:
            skipped[f"({describe(key)})"] = "its key is not a str or an int, or is very long"
            equal_names |= _find_equal_name(source, key)
            continue
        # The same key again replaces the value, as in any dict.
        kind = _key_type(key)
        if kinds.setdefault(name, kind) is not kind:
            raise _ambiguous_error(source, name)
        named[name] = value
    for kind, name in equal_names:
        if kinds.get(name) is kind:
            raise _ambiguous_error(source, name)
    return named


def _key_type(key: object) -> type:
    if isinstance(key, Payload) and key.kind != "str":
        return bytes
    return type(key) if isinstance(key, (int, bytes)) else str


def _find_equal_name(source: ByteSource, key: object) -> set[tuple[type, str]]:
    """Returns type and name of the key that a number or NumPy scalar equals, as True equals 1."""
    try:
        if isinstance(key, ScalarNode):
            key = np.frombuffer(read_bytes(source, key.payload), key.dtype)[0].item()
        if isinstance(key, complex) and not key.imag:
            key = key.real
        if isinstance(key, (bool, int)) or (isinstance(key, float) and key.is_integer()):
            return {(int, str(int(key)))}
    except ValueError:  # text that cannot be decoded
        return set()
    if isinstance(key, bytes):
        return {(bytes, key.decode("latin-1"))}
    return {(str, key)} if isinstance(key, str) else set()


def _ambiguous_error(source: ByteSource, name: str) -> ShardError:
    return ShardError(
        f"{source.path}: two different keys both name the field {name[:100]!a}. "
        "Write the file again with keys that differ as text."
    )
