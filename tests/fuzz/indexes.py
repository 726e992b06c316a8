"""Generates hostile `index.json` files and checks that each is refused or loaded correctly."""

from __future__ import annotations

import copy
import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata import BigDataError, ShardIndex
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.index.shard_index import INDEX_NAME, Field, ShardInfo
from tests.fuzz.check import Finding, guarded

NAMES = [
    "../x.pkl", "/etc/passwd", "a/../../b", "C:\\x", "..\\x", "\\x", "//host/share", "a\0b", "",
    ".", "./x", "a//b", "x" * 300, "a/" * 3000, "~/x", "\ud800", "x\n", "..", "C:x", "\\\\?\\C:\\x",
    "a/..", "nul", "\u2025/x", "%2e%2e/x", "file:///etc/passwd", "x.pkl/", " ", "inside.pkl",
]  # fmt: skip
_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 1.5, -0.0, 2**31, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63),
    10**400, float("nan"), float("inf"), "", "a", "images", "|O", "<i4", "V0", [], {}, [[]], [None],
    {"a": 1}, ["a"], "x" * 5000, [0] * 70, [[["a", "<i4"]]], [["a", "<i4", [2]]], [-1], [2**40] * 4,
    ["", "<i4"], [[["t", "n"], "<i4"]], ["images", "images"], {"": None},
]  # fmt: skip


def valid() -> list[dict[str, Any]]:
    """Returns valid indexes as they are written."""
    dtype = np.dtype([("a", "<i4"), ("b", "<f8", (2,)), ("c", [("d", "u1")])])
    fields = {
        "images": Field("images", np.dtype(np.uint8), (4, 4, 3)),
        "labels": Field("labels", np.dtype(np.int32), ()),
        "record": Field("record", dtype, (3,)),
    }
    contents = []
    for about in (
        {"roles": Roles("images", "labels"), "classes": ["cat", "dog"], "class_counts": [20, 10]},
        {"roles": Roles({"a": "images", "b": ("labels", "record")}, None, "labels")},
        {"variants": 2, "vocabulary": ["", "a"], "provenance": {"by": "test", "n": [1, 2]}},
    ):
        variants = about.get("variants", 1)
        shards = [
            ShardInfo(
                f"sub/{number}.pkl", 10, 10_000, {"images": 100, "labels": 5_000, "record": -1},
                number, number % variants,
            )
            for number in range(4)
        ]  # fmt: skip
        index = ShardIndex.from_shards("/", fields, shards, **about)
        contents.append(json.loads(_saved_text(index)))
    return contents


def _saved_text(index: ShardIndex) -> str:
    with tempfile.TemporaryDirectory() as directory:
        index.directory = Path(directory)
        index.save()
        return Path(directory, INDEX_NAME).read_text()


def mutated(rng: random.Random, corpus: list[dict[str, Any]]) -> bytes:
    """Returns one hostile index."""
    content = copy.deepcopy(rng.choice(corpus))
    for _ in range(1 + int(rng.random() ** 2 * 4)):
        _edit(rng, content)
    data = json.dumps(content)
    roll = rng.random()
    if roll < 0.1:  # a key twice
        at = data.index("{") + 1
        data = data[:at] + f'"{rng.choice(list(content) or ["a"])}": 1, ' + data[at:]
    elif roll < 0.15:
        data = data.replace("null", "[" * int(rng.random() * 3000) + "]" * 3000, 1)
    elif roll < 0.25:
        damaged = bytearray(data.encode("utf-8", "surrogatepass"))
        for _ in range(3):
            at = int(rng.random() * len(damaged))
            damaged[at : at + int(rng.random() * 3)] = bytes([int(rng.random() * 256)])
        return bytes(damaged)
    return data.encode("utf-8", "surrogatepass")


def _edit(rng: random.Random, content: Any) -> None:
    holder, key = content, None
    while isinstance(holder, (dict, list)) and holder:
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = rng.choice(keys)
        inner = holder[key]
        if not isinstance(inner, (dict, list)) or not inner or rng.random() < 0.2:
            break
        holder = inner
    if key is None:
        return
    match int(rng.random() * 6):
        case 0:
            del holder[key]
        case 1:
            holder[key] = rng.choice(NAMES)
        case 2 if isinstance(holder, list):
            holder.insert(key, copy.deepcopy(rng.choice(_VALUES)))
        case 3 if isinstance(holder, dict):
            holder[rng.choice(NAMES)] = holder[key]
        case 4 if isinstance(holder[key], int):
            holder[key] += rng.choice((1, -1, 2**32, -(2**32), 2**63))
        case _:
            holder[key] = copy.deepcopy(rng.choice(_VALUES))


def check(directory: Path, data: bytes) -> str:
    """Loads an index.

    Returns:
        The outcome.

    Raises:
        Finding: if it is neither refused with one of our errors nor sound.
    """
    index = directory / INDEX_NAME
    index.write_bytes(data)
    outcome = guarded(ShardIndex.load, directory, opens=str(index))
    if isinstance(outcome, BigDataError):
        if len(str(outcome)) > 3000:
            raise Finding("a message of more than 3000 characters")
        str(outcome).encode()
        return type(outcome).__name__
    inside = os.path.abspath(directory) + os.sep
    for shard in range(len(outcome)):
        path = os.path.abspath(outcome.path(shard))
        if not path.startswith(inside) or "\0" in path:
            raise Finding(f"a path leaves the directory: {outcome.names[shard]!r}")
        info = outcome[shard]
        if info.samples < 0 or info.bytes < 0 or not 0 <= info.variant < outcome.variants:
            raise Finding("a shard of negative size")
        for name, offset in info.offsets.items():
            if offset < -1 or (
                offset >= 0 and offset + info.samples * outcome.fields[name].row_bytes > info.bytes
            ):
                raise Finding("rows outside their file")
    for field in outcome.fields.values():
        if field.dtype.hasobject or field.row_bytes < 0:
            raise Finding("a field of a wrong kind")
    return "accepted"
