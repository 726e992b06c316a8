"""Valid pickles that the fuzzer starts from, each as a list of its opcodes."""

from __future__ import annotations

import contextlib
import io
import itertools
import pickle
import pickletools
from collections import OrderedDict
from typing import Any

import joblib
import numpy as np
import pandas as pd

from tests.helpers.pickle_bytes import (
    array,
    call,
    dic,
    dtype,
    lst,
    name,
    num,
    py2,
    raw,
    structure,
    text,
    tup,
)

Chunks = list[bytes]

_ALIGNED = np.dtype([("a", "i1"), ("b", ">f8"), ("c", [("d", "f2", (2,))])], align=True)
_TITLED = np.dtype(
    {
        "names": ["a", "b"],
        "formats": ["i1", "<i4"],
        "offsets": [3, 8],
        "titles": ["first", "second"],
        "itemsize": 16,
    }
)
_DTYPES = (
    *("?", "i1", "u2", ">i4", "i8", "u8", "f2", ">f4", "f8", "g", "F", "D", "S3", "U2", "V5"),
    *("M8[D]", "m8[25us]", ">M8[ns]", _ALIGNED, _TITLED),
)


def values() -> list[Any]:
    """Returns the values that are pickled, in every protocol."""
    cube = np.arange(24, dtype="i2").reshape(2, 3, 4)
    row = [1, 2, 3]
    result: list[Any] = [np.zeros(3, kind) for kind in _DTYPES]
    result += [
        {"a": np.arange(6, dtype=">i4").reshape(2, 3), "b": [1, 2], "c": ["x", "y"], "d": None},
        (np.asfortranarray(np.ones((2, 3))), [[1.5], [2.5]], [np.float32(1), np.float32(2)]),
        {"s": np.zeros(2, _ALIGNED), "t": np.array(["2024"], "M8[D]")},
        [cube.transpose(1, 0, 2), [np.ones(2)] * 2, b"xy", 10**30, "\u20ac" * 3],
        {"x": np.arange(300, dtype="u1"), "y": list(range(100)), "z": (0.5,) * 70},
        {"x": np.zeros((0, 3)), "y": np.array(2.5), "z": [True, False] * 40, 7: [1], b"k": [2]},
        {"a": row, "b": [row, row], "c": [[row], [row]], "d": {"e": row}},
        OrderedDict(a=cube[0], b=["one", "two", "three"], c=[b"ab", b"c"]),
        {"set": {1, 2}, "frozen": frozenset([3]), "buffer": bytearray(b"ab"), "z": [1j, 2]},
        [np.str_("a"), np.str_("b")],
        [np.datetime64("2024-02-29"), np.datetime64("NaT", "D")],
        [[np.uint8(1), 5], [2**40, -1]],
        {"long": 10**400, "text": "x" * 300, "rows": [["a", "bc"], ["d", "e"]]},
        {"x": {"values": cube[0], "offsets": np.array([0, 1, 1, 3])}, "y": np.arange(3)},
        np.array([1, "a"], object),
        pd.DataFrame({"a": [1, 2]}),
    ]
    return result


def dump_with_joblib(value: Any, protocol: int) -> bytes:
    file = io.BytesIO()
    joblib.dump(value, file, protocol=protocol)
    return file.getvalue()


def python_2_files() -> list[bytes]:
    """Returns pickles in forms that Python 3 no longer writes."""
    u1 = dtype("u1", "|", python2=True)
    quoted = b"S" + repr(bytes(range(256)))[1:].encode() + b"\n"
    unit = tup(b"}", tup(b"C\x02ns", num(1), num(1), num(1)))
    dates = b"cnumpy\ndtype\n(U\x02M8K\0K\1tR" + (
        tup(num(4), b"U\x01<", b"NNN", num(-1), num(-1), num(0), unit) + b"b"
    )
    pair = structure(8, a=(dtype("i4"), 0), b=(dtype("f4"), 4))
    frombuffer = name("numpy.core.numeric", "_frombuffer")
    return [
        b"\x80\x02}q\x01("
        + py2(b"data")
        + array(u1, tup(num(2), num(3)), py2(b"abcdef"))
        + py2(b"labels")
        + lst(*map(num, range(5)))
        + py2(b"filenames")
        + lst(py2(b"caf\xe9.png"), py2(b"x"))
        + b"u.",
        dic(
            a=array(dtype("u1", "|"), tup(num(256)), quoted, fortran=b"I00\n"),
            b=lst(b"S'it\\'s \\x41\\\\\\n'\n", b'S"say"\n'),
            c=lst(b"I5\n", b"L-12345678901L\n"),
            d=lst(b"F1.5\n", b"F-inf\n", b"G" + bytes(8)),
            e=lst(b"I01\n", b"I00\n"),
            f=lst(b"Va\\u20ac\\u005c\n"),
        )
        + b".",
        dic(a=array(dates, tup(num(1)), b"C\x08" + bytes(8))) + b".",
        dic(a=array(pair, tup(num(2)), raw(bytes(16)))) + b".",
        dic(a=call(frombuffer, raw(bytes(24)), dtype("i4"), tup(num(2), num(3)), text("K"),
                   tup(num(1), num(0)))) + b".",
    ]  # fmt: skip


def split_opcodes(data: bytes) -> Chunks:
    """Splits a file at its opcodes; what follows an array of joblib stays in one piece."""
    cuts: list[int] = []
    with contextlib.suppress(Exception):
        cuts += [position or 0 for _, _, position in pickletools.genops(data)]
    cuts.append(len(data))
    return [data[start:end] for start, end in itertools.pairwise(cuts)]


def seeds() -> list[Chunks]:
    """Returns all files, split at their opcodes."""
    files = [pickle.dumps(value, protocol) for value in values() for protocol in range(6)]
    files += [
        file.replace(b"numpy._core", b"numpy.core") for file in files if b"\nnumpy._core" in file
    ]
    files += [dump_with_joblib(value, protocol) for value in values()[:25] for protocol in (2, 5)]
    files += python_2_files()
    return [split_opcodes(file) for file in files]
