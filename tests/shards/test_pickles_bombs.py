"""Pickles that try to fill the memory or to take forever, and random damage."""

from __future__ import annotations

import pickle
import random
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata import BigDataError, CorruptShardError, ShardError, UnsafePickleError
from keras_bigdata.shards.pickles import StoredArray, find_arrays, read_array
from tests.helpers.pickle_bytes import (
    DTYPE,
    EMPTY,
    FROMBUFFER,
    I4,
    NDARRAY,
    ONE,
    SCALAR,
    array,
    assert_refused,
    dic,
    dtype,
    find_or_error,
    limited_memory,
    lst,
    name,
    nothing_runs,
    num,
    raw,
    structure,
    text,
    tup,
    write,
)


def doubling(open_, close, levels=40):
    """Returns nested containers, each of which holds the one below ten times."""
    parts = [open_, num(0), close, b"q\0"]
    for level in range(levels):
        parts += [b"0", open_, (b"h" + bytes([level])) * 10, close]
        parts += [b"q", bytes([level + 1])]
    return b"".join(parts)


def bombs(many):
    """Returns names and pickles of which each byte asks for as much memory or time as it can."""
    return {
        "lists of lists of lists": doubling(b"](", b"e"),
        "tuples of tuples of tuples": doubling(b"(", b"t"),
        "a list of a long string": b"X"
        + struct.pack("<I", many)
        + b"x" * many
        + b"q\0"
        + b"0"
        + lst(b"h\0" * (many // 10)),
        "lists of a long string": b"X"
        + struct.pack("<I", many)
        + b"x" * many
        + b"q\0"
        + b"0"
        + lst(b"]h\0a" * (many // 10)),
        "a long string among short ones": lst(text("x" * 4000), text("y") * (many // 5)),
        "an array stacked again and again": array(
            dtype("u1", "|"), tup(num(many)), raw(bytes(many))
        )
        + b"q\0"
        + b"0"
        + lst(b"h\0" * (many // 10)),
        "one row a million times": lst(num(1) * 1000) + b"q\0" + b"0" + lst(b"h\0" * many),
        "a list that holds itself": b"]q\0" + b"h\0a" * 1000,
        "two lists that hold each other": b"]q\0]q\1h\0ah\1\x86" + b"0h\0h\1a",
        "nested lists": b"]" * many + b"a" * (many - 1),
        "nested tuples": b")" + b"\x85" * many,
        "a key of nested tuples": b"})" + b"\x85" * many + b"Ns",
        "tuples in tuples in protocol 4": b")\x94" + b"\x85\x94" * many,
        "lists of tuples in tuples": b"](" + (b")" + b"\x85" * 999) * (many // 1000) + b"e",
        "nested marks": b"(" * many + b"t" * many,
        "nested dicts": b"}N" * many,
        "duplicates": b"N" + b"2" * many + b"t",
        "a huge memo": b"N" + b"\x94" * many,
        "memo entries far apart": b"N"
        + b"".join(b"r" + struct.pack("<I", i << 12) for i in range(many // 10)),
        "a decimal of a million digits": b"I" + b"9" * many * 10 + b"\n",
        "a long decimal of a million digits": b"L" + b"9" * many * 10 + b"L\n",
        "many decimals": lst((b"L" + b"9" * 590 + b"L\n") * (many // 50)),
        "a binary integer of a million bytes": b"\x8b"
        + struct.pack("<i", many * 10)
        + b"\x7f" * many * 10,
        "text encoded again and again": text("\xff" * (many // 10))
        + b"q\0"
        + text("latin1")
        + b"q\1"
        + lst((name("_codecs", "encode") + b"q\2h\0h\1\x86R") + b"h\2h\0h\1\x86R" * (many // 5)),
        "an array of text again and again": text("a" * many)
        + b"q\0"
        + text("latin1")
        + b"q\1"
        + name("_codecs", "encode")
        + b"q\2"
        + dtype("u1", "|")
        + b"q\3"
        + b"}("
        + b"".join(
            num(i) + array(b"h\3", tup(num(many)), b"h\2h\0h\1\x86R") for i in range(many // 50)
        )
        + b"u",
        "a quoted string of backslashes": b"S'" + b"\\" * many * 10 + b"'\n",
        "lines without end": b"I1\n" * 1000 + b"V" + b"x" * many * 10,
    }


@pytest.mark.quick_cases(8)
@pytest.mark.parametrize("kind", bombs(1_000))
def test_bombs_do_not_go_off(tmp_path, kind):
    many = 20_000
    path = write(tmp_path / "a.pkl", dic(a=bombs(many)[kind]), b".")
    # An opcode of one byte can create an object of 64 bytes, as in any list of lists.
    with nothing_runs(path), limited_memory(path, extra=(4 << 20) + 160 * many):
        outcome = find_or_error(path)
    refused = isinstance(outcome, (UnsafePickleError, CorruptShardError))
    assert refused or "a" in outcome.skipped_fields
    assert len(str(outcome)) < 2000


def dtype_bomb(levels):
    """Returns a structure whose fields are all the structure below, at the same offset."""
    kind = structure(4, a=(I4, 0)) + b"q\0"
    for _ in range(levels):
        kind += b"0" + structure(4, **{chr(97 + i): (b"h\0", 0) for i in range(10)}) + b"q\0"
    return kind


def test_a_dtype_bomb(tmp_path):
    path = write(tmp_path / "a.pkl", dic(a=b"N", b=dtype_bomb(12)), b".")
    assert_refused(path, CorruptShardError)
    data = array(dtype_bomb(2), tup(num(1)), raw(bytes(4)))
    assert "a" in find_arrays(write(path, dic(a=data), b".")).fields


OBJECTS = {
    "lists in a list": b"]" + b"]a" * 12_500,
    "constants in a list": b"]" + b"Na" * 12_500,
    "batches of constants": b"]" + b"(NNe" * 6_250,
    "memo entries": b"N" + b"\x94" * 12_500,
    "items of a dict": b"}" + b"NNs" * 6_250,
    "byte strings": b"C\x000" * 12_500,
    "texts": b"\x8c\x01a0" * 12_500,
    "a structure of many names": structure(4, **{str(i): (I4, 0) for i in range(12_500)}),
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_more_objects_than_any_shard_holds(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("keras_bigdata.shards.pickles.machine.MAX_OBJECTS", 10_000)
    path = write(tmp_path / "a.pkl", OBJECTS[kind], b".")
    assert "more than 10,000 objects" in assert_refused(path, extra=5 << 20)


NESTS = {
    "tuples": b")" + b"\x85" * 2_500,
    "pairs": b"N2" + b"\x862" * 2_500 + b"\x86",
    "tuples with memo entries": b")\x94" + b"\x85\x94" * 2_500,
    "lists": b"]" * 2_500 + b"a" * 2_499,
    "tuples of marks": b")q\0" + b"0(h\0tq\0" * 2_500,
    "lists of marks": b"]q\0" + b"0(h\0lq\0" * 2_500,
    "dicts": b"}q\0" + b"0}Nh\0sq\0" * 2_500,
}


@pytest.mark.parametrize("kind", NESTS)
def test_nests_are_refused_before_all_of_them_is_parsed(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("keras_bigdata.shards.pickles.machine.MAX_NESTED", 2_000)
    for value in (NESTS[kind], dic(a=NESTS[kind])):
        path = write(tmp_path / "a.pkl", value, b".")
        message = assert_refused(path, extra=10 << 20)
        assert "more than 2,000 containers in containers" in message


def test_a_list_of_more_items_than_fields_is_refused_before_they_are_read(tmp_path):
    path = write(tmp_path / "a.pkl", b"](", b"K\1\x85" * 20_000, b"e.")
    message = assert_refused(path, ShardError, extra=10 << 20)
    assert "a list of 20,000 items" in message


def test_more_on_the_stack_than_any_shard_needs(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_bigdata.shards.pickles.opcodes.MAX_OBJECTS", 20_000)
    for values in (b"N" * 25_000, b"(".join([b"N" * 2_500] * 10)):
        path = write(tmp_path / "a.pkl", values, b".")
        assert "values at once" in assert_refused(path)
    assert "1000 marks" in assert_refused(write(path, b"(" * 1001, b"N."))


# Random damage ----------------------------------------------------------------------------------

VALID = [
    pickle.dumps(value, protocol)
    for protocol in range(6)
    for value in (
        {"a": np.arange(6, dtype=">i4").reshape(2, 3), "b": [1, 2], "c": ["x", "y"], "d": None},
        (np.asfortranarray(np.ones((2, 3))), [[1.5], [2.5]], [np.float32(1)]),
        {"s": np.zeros(2, [("a", "i1"), ("b", "f4", (2,))]), "t": np.array(["2024"], "M8[D]")},
        [np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2), [np.ones(2)] * 2, b"xy", 10**30],
    )
]
PIECES = [
    *(bytes([code]) for code in range(256)),
    I4, ONE, EMPTY, NDARRAY, DTYPE, SCALAR, FROMBUFFER, tup(num(1)), raw(b"abcd"), text("K"),
    text("latin1"), name("_codecs", "encode"), name("builtins", "bytearray"), b"h\0", b"q\0",
    name("collections", "OrderedDict"), num(-1), b"L12L\n", b"F1.5\n", b"S'a'\n", b"Vb\n",
]  # fmt: skip


def check_outcome(data):
    """Checks that only our errors are raised, and that accepted fields can be read."""
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory, "a.pkl"), data)
        outcome = find_or_error(path)
        if isinstance(outcome, BigDataError):
            assert str(path) in str(outcome)
            return
        for found in outcome.fields.values():
            if isinstance(found, StoredArray):
                assert 0 <= found.offset <= found.offset + found.nbytes <= len(data)
                assert read_array(path, found).nbytes == found.nbytes
            assert found.nbytes <= 4 * len(data) + (4 << 20)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(VALID), st.integers(0, 2**63), st.integers(1, 6))
def test_damaged_pickles(valid, seed, edits):
    data, rng = bytearray(valid), random.Random(seed)
    for _ in range(edits):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0 if at < len(data):
                data[at] = rng.randrange(256)
            case 1:
                data[at:at] = rng.choice(PIECES)
            case 2:
                del data[at : at + rng.randint(1, 8)]
            case _:
                data[at:at] = data[rng.randrange(len(data) + 1) :][: rng.randint(1, 40)]
    check_outcome(bytes(data))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_opcode_soup(pieces):
    check_outcome(b"".join(pieces) + b".")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_random_bytes(data):
    check_outcome(data)
