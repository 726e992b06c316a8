"""Pickles whose sizes, shapes and dtypes contradict one another, or that are cut short."""

from __future__ import annotations

import pickle
import struct

import numpy as np
import pytest

from keras_bigdata import CorruptShardError
from keras_bigdata.shards.pickles import find_arrays
from tests.helpers.pickle_bytes import (
    EMPTY,
    FROMBUFFER,
    I4,
    ONE,
    SCALAR,
    array,
    assert_refused,
    call,
    dic,
    dtype,
    lst,
    name,
    num,
    raw,
    structure,
    text,
    tup,
    write,
)


def array_of_shape(*sizes, data=bytes(16), kind=I4):
    return array(kind, tup(*sizes), raw(data))


def long_integer(value):
    data = value.to_bytes(16, "little", signed=True)
    return b"\x8a\x10" + data


LIES = {
    "more rows than bytes": array_of_shape(num(1000)),
    "fewer rows than bytes": array_of_shape(num(3)),
    "a product past the file": array_of_shape(num(2**31 - 1), num(2**31 - 1)),
    "a product past 64 bits": array_of_shape(*[num(2**31 - 1)] * 8),
    "a product that wraps to 16": array_of_shape(
        num(2**30), long_integer(2**32), num(2**30), num(4)
    ),
    "a product that wraps to nothing": array_of_shape(*[num(2**30)] * 4, data=b""),
    "a negative size": array_of_shape(num(-4)),
    "two negative sizes": array_of_shape(num(-2), num(-2)),
    "a size past 64 bits": array_of_shape(long_integer(2**100)),
    "an empty array past 64 bits": array_of_shape(num(0), *[num(2**30)] * 4, data=b""),
    "a size that is not an integer": array_of_shape(b"G" + struct.pack(">d", 4)),
    "a size that is text": array_of_shape(text("4")),
    "a size that is True": array_of_shape(b"\x88", data=bytes(4)),
    "too many dimensions": array_of_shape(*[num(1)] * 65, data=bytes(4)),
    "a shape that is not a tuple": array(I4, num(4), raw(bytes(16))),
    "frombuffer past its bytes": call(FROMBUFFER, raw(bytes(16)), I4, tup(num(4000)), text("C")),
    "frombuffer short of its bytes": call(FROMBUFFER, raw(bytes(16)), I4, tup(num(2)), text("C")),
    "frombuffer of a negative shape": call(FROMBUFFER, raw(bytes(16)), I4, tup(num(-4)), text("C")),
    "an itemsize that shrinks": array_of_shape(num(16), kind=dtype("S8", "|", 1)),
    "an itemsize that grows": array_of_shape(num(1), kind=dtype("V1", "|", 16)),
    "an itemsize for a number": array_of_shape(num(8), kind=dtype("i4", "<", 2)),
    "a negative itemsize": array_of_shape(num(2), kind=dtype("S8", "|", -8)),
    "no itemsize": array_of_shape(num(2), kind=dtype("S8", "|", -1)),
    "items of no bytes": array_of_shape(num(10**9), data=b"", kind=dtype("S0", "|", 0)),
    "an itemsize past 31 bits": array_of_shape(num(1), kind=dtype("U999999999", "<", 2**31 - 1)),
    "a byte order for nothing": array_of_shape(num(4), kind=dtype("i4", "|")),
    "no byte order": array_of_shape(num(4), kind=dtype("i4", "x")),
    "a field past the end": array_of_shape(num(2), kind=structure(8, a=(I4, 6))),
    "a field before the start": array_of_shape(num(2), kind=structure(8, a=(I4, -4))),
    "a field far away": array_of_shape(num(2), kind=structure(8, a=(I4, 2**31 - 1))),
    "a larger structure inside": array_of_shape(
        num(2), kind=structure(8, a=(structure(16, b=(I4, 0)), 0))
    ),
    "a structure of another size": array_of_shape(
        num(2), kind=dtype("V8", "|", 4, names=tup(text("a")), fields=dic(a=tup(I4, num(0))))
    ),
    "a name without its field": array_of_shape(
        num(2), kind=dtype("V8", "|", 8, names=tup(text("z")), fields=dic(a=tup(I4, num(0))))
    ),
    "a name twice": array_of_shape(
        num(2), kind=dtype("V8", "|", 8, names=tup(*[text("a")] * 2), fields=dic(a=tup(I4, num(0))))
    ),
    "a subarray of another size": array_of_shape(
        num(2), kind=structure(8, a=(dtype("V8", "|", 8, subarray=tup(I4, tup(num(4)))), 0))
    ),
    "a subarray of negative shape": array_of_shape(
        num(2), kind=structure(8, a=(dtype("V8", "|", 8, subarray=tup(I4, tup(num(-2)))), 0))
    ),
    "a subarray as an array's dtype": array_of_shape(
        num(2), kind=dtype("V8", "|", 8, subarray=tup(I4, tup(num(2))))
    ),
    "a scalar that is too short": lst(call(SCALAR, I4, raw(bytes(3)))),
    "a scalar that is too long": lst(call(SCALAR, I4, raw(bytes(5)))),
    "an array without its state": EMPTY,
    "a list with an array without its state": lst(ONE, EMPTY),
    "latin-1 text that is not": array(
        I4, tup(num(1)), call(name("_codecs", "encode"), text("\u20acabc"), text("latin1"))
    ),
    "latin-1 text that is too short": array(
        I4, tup(num(2000)), call(name("_codecs", "encode"), text("\xff" * 4500), text("latin1"))
    ),
    "latin-1 text that is too long": array(
        I4, tup(num(1000)), call(name("_codecs", "encode"), text("\xff" * 4500), text("latin1"))
    ),
    "a date of no unit": array_of_shape(num(2), kind=dtype("M8")),
}


@pytest.mark.parametrize("kind", LIES)
def test_lies_about_sizes_are_found(tmp_path, kind):
    path = write(tmp_path / "a.pkl", dic(a=LIES[kind]), b".")
    assert_refused(path, CorruptShardError)


OVERRUNS = {
    "bytes": b"B\xff\xff\xff\xff",
    "short bytes": b"C\xffabc",
    "long bytes": b"\x8e" + struct.pack("<Q", 2**63 - 1),
    "longest bytes": b"\x8e" + struct.pack("<Q", 2**64 - 1),
    "bytearray": b"\x96" + struct.pack("<Q", 2**40),
    "text": b"X\xff\xff\xff\x7f",
    "short text": b"\x8c\xffabc",
    "long text": b"\x8d" + struct.pack("<Q", 2**62),
    "string": b"T\xff\xff\xff\x7f",
    "negative string": b"T\xff\xff\xff\xff",
    "negative integer": b"\x8b\xff\xff\xff\xff",
    "integer": b"\x8b\xff\xff\xff\x7f",
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 2**60),
    "argument": b"J\0\0",
    "no stop": b"N",
    "line": b"I12345",
    "name": b"cnumpy\ndtype",
    "quoted string": b"S'abc",
    "two values": b"NN.",
    "an open mark": b"(N.",
    "nothing to stop at": b".",
    "nothing to add to": b"NN\x86s.",
    "a mark never set": b"Nt.",
    "a memo entry never set": b"h\x05.",
    "a memo entry far away": b"j\xff\xff\xff\xff.",
    "a negative memo index": b"g-1\n.",
    "a memo index of letters": b"gabc\n.",
    "an integer of letters": b"Iabc\n.",
    "an integer of underscores": b"I1_0\n.",
    "a float of letters": b"Fabc\n.",
    "a long float": b"F" + b"1" * 200 + b"\n.",
    "no quotes": b"Sabc\n.",
    "one quote": b"S'\n.",
    "an unknown escape": b"S'\\d'\n.",
    "an escape of nothing": b"S'\\\\\\'\n.",
    "text that is not UTF-8": b"X\x02\0\0\0\xff\xff.",
    "text with half an escape": b"Va\\u00\n.",
    "a long name": b"c" + b"a" * 2000 + b"\nb\n.",
    "an append to a dict": b"}Na.",
    "an item of a list": b"]NNs.",
    "a key without a value": b"}(Nu.",
    "a set of a list": b"](N\x90.",
    "a name of numbers": b"K\1K\2\x93.",
}


@pytest.mark.parametrize("kind", OVERRUNS)
def test_what_is_cut_short_or_malformed_is_found(tmp_path, kind):
    assert_refused(write(tmp_path / "a.pkl", OVERRUNS[kind]), CorruptShardError)


@pytest.mark.slow
def test_every_prefix_of_a_pickle_is_found_short(tmp_path):
    value = {"a": np.arange(9), "b": [1, 2.5], "c": "text", "d": [np.float32(1)]}
    path = tmp_path / "a.pkl"
    for protocol in range(6):
        whole = pickle.dumps(value, protocol)
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(CorruptShardError):
                find_arrays(path)
