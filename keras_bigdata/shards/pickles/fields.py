"""From what a pickle holds to named fields."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import ShardError
from keras_bigdata.shards.pickles.decode import NUMBERS, Decoder, LeftOut, read_bytes
from keras_bigdata.shards.pickles.nodes import (
    ArrayNode,
    Numbers,
    Pairs,
    Payload,
    ScalarNode,
    as_text,
    describe,
)
from keras_bigdata.shards.pickles.source import Source, StoredArray

# Decoding gives at most this much, whatever a list repeats: an integer of two bytes in the file
# becomes eight, and a short list of names of different length may grow more.
_GROWTH = 4
_FREE = 4 << 20


@dataclass(frozen=True)
class PickleContents:
    """What was found in a pickle.

    Args:
        fields: name -> `StoredArray`, or the array where it had to be decoded.
        left_out: name -> why no array can be made of it (text, a number, a ragged list).
        compressed: whether positions are those in what the file expands to. Defaults to `False`.
    """

    fields: dict[str, StoredArray | npt.NDArray[Any]]
    left_out: dict[str, str]
    compressed: bool = False


def fields_of(source: Source, tree: object, *, trusted: bool = False) -> PickleContents:
    """The fields of what a pickle holds.

    Args:
        source: the open file.
        tree: what `follow` found, or with `trusted` what `pickle.load` returned.
        trusted: whether to decode whatever the size. Defaults to `False`.

    Raises:
        ShardError: if it is no dict, tuple, list or array, or if two keys have one name.
        UnsafePickleError: if a field is an array of objects, or a list repeats its parts until
            it is far larger than the file.
    """
    decoder = Decoder(source, math.inf if trusted else _GROWTH * source.size + _FREE)
    contents = PickleContents({}, {}, source.compressed)
    for name, value in _named(source, tree, contents.left_out).items():
        try:
            contents.fields[name] = decoder.field(name, value)
        except LeftOut as reason:
            contents.left_out[name] = str(reason)
    return contents


def _named(source: Source, tree: object, left_out: dict[str, str]) -> dict[str, object]:
    """The values that could be fields, by name."""
    if isinstance(tree, (ArrayNode, np.ndarray)):
        return {"0": tree}
    if isinstance(tree, Pairs):
        return _keyed(source, zip(tree[::2], tree[1::2], strict=True), left_out)
    if isinstance(tree, dict):
        return _keyed(source, tree.items(), left_out)
    if not isinstance(tree, (list, tuple)):
        raise ShardError(
            f"{source.path}: the pickle holds {describe(tree)}. A dict of arrays was expected, "
            "or a tuple or list of arrays, or one array."
        )
    if tree and set(map(type, tree)) <= {*NUMBERS, str, bytes, Payload, ScalarNode}:
        return {"0": tree}
    named: dict[str, object] = {}
    position = 0
    for value in tree:
        named[str(position)] = value
        position += len(value.values) if isinstance(value, Numbers) else 1
    return named


def _keyed(
    source: Source, pairs: Iterable[tuple[object, object]], left_out: dict[str, str]
) -> dict[str, object]:
    named: dict[str, object] = {}
    kinds: dict[str, type] = {}
    nameless: set[tuple[type, str]] = set()
    for key, value in pairs:
        name = as_text(key)
        if isinstance(key, bytes):
            name = key.decode("latin-1")
        elif type(key) is int:
            name = str(key)
        if name is None:
            left_out[f"({describe(key)})"] = "its key is no str and no int, or is very long"
            nameless |= _equal_to(source, key)
            continue
        # The same key again replaces the value, as in any dict.
        kind = _kind(key)
        if kinds.setdefault(name, kind) is not kind:
            raise _ambiguous(source, name)
        named[name] = value
    for kind, name in nameless:
        if kinds.get(name) is kind:
            raise _ambiguous(source, name)
    return named


def _kind(key: object) -> type:
    if isinstance(key, Payload) and key.kind != "str":
        return bytes
    return type(key) if isinstance(key, (int, bytes)) else str


def _equal_to(source: Source, key: object) -> set[tuple[type, str]]:
    """The named key that a number or a NumPy scalar is equal to: 1 is True and 1.0."""
    try:
        if isinstance(key, ScalarNode):
            key = np.frombuffer(read_bytes(source, key.payload), key.dtype)[0].item()
        if isinstance(key, complex) and not key.imag:
            key = key.real
        if isinstance(key, (bool, int)) or (isinstance(key, float) and key.is_integer()):
            return {(int, str(int(key)))}
    except ValueError:  # a text that is none
        return set()
    if isinstance(key, bytes):
        return {(bytes, key.decode("latin-1"))}
    return {(str, key)} if isinstance(key, str) else set()


def _ambiguous(source: Source, name: str) -> ShardError:
    return ShardError(
        f"{source.path}: two different keys both name the field {name[:100]!a}. "
        "Write the file again with keys that differ as text."
    )
