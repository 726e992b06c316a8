"""Damages pickles: their bytes, opcodes and lengths, and their compressed form."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
import zlib

from tests.fuzz.corpus import Chunks
from tests.helpers.pickle_bytes import (
    DTYPE,
    EMPTY,
    FROMBUFFER,
    I4,
    NDARRAY,
    ONE,
    RECONSTRUCT,
    SCALAR,
    name,
    num,
    raw,
    text,
    tup,
)

LARGEST = 1 << 16

_OPCODES = [bytes([code]) for code in b"(.01234FIJKLMNPQRSTUVXabcdeghijlopqrstu)]}BC"] + [
    bytes([code]) for code in range(0x80, 0x99)
]
_EXTREMES = [
    *(struct.pack("<Q", value) for value in (0, 1, 255, 2**31, 2**32, 2**62, 2**63, 2**64 - 1)),
    *(struct.pack("<I", value) for value in (0, 1, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1)),
    *(struct.pack("<H", value) for value in (0, 255, 2**15, 2**16 - 1)),
    *(bytes([value]) for value in (0, 1, 127, 128, 255)),
    struct.pack(">d", float("nan")),
]
EVIL = [
    name("os", "system"),
    name("builtins", "eval"),
    name("numpy.core.multiarray", "fromfile"),
    name("joblib.numpy_pickle", "NumpyArrayWrapper"),
    name("numpy", "memmap"),
    b"ios\nsystem\n",
    text("os") + text("system") + b"\x93",
    b"\x82\x01",
    b"Pid\n",
]
PIECES = [
    *_OPCODES, I4, ONE, EMPTY, NDARRAY, DTYPE, SCALAR, FROMBUFFER, RECONSTRUCT, tup(num(1)), tup(),
    raw(b"abcd"), text("K"), text("latin1"), name("_codecs", "encode"), b"h\0", b"q\0", b"h\1",
    name("builtins", "bytearray"), name("builtins", "bytes"), name("builtins", "set"),
    name("builtins", "complex"), name("collections", "OrderedDict"), num(-1), b"L12L\n", b"K\0",
    b"F1.5\n", b"S'a'\n", b"Vb\n", b"I01\n", b"I00\n", b"L00\n", b"I010\n", b"G" + bytes(8),
    b"r\0\0\1\0", b"\x8a\x09" + bytes(8) + b"\1", b"U\x01a", b"X\0\0\0\0", b"\x95" + bytes(8),
    *EVIL,
]  # fmt: skip
_PACKERS = (
    lambda data: zlib.compress(data, 1),
    lambda data: gzip.compress(data, 1, mtime=0),
    bz2.compress,
    lambda data: lzma.compress(data, preset=0),
    lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=0),
)


def mutated(rng: random.Random, corpus: list[Chunks]) -> bytes:
    """Returns one damaged file."""
    chunks = list(rng.choice(corpus))
    for _ in range(int(rng.random() ** 2 * 5) + (rng.random() < 0.8)):
        _edit_opcodes(rng, chunks, corpus)
    data = bytearray(b"".join(chunks))
    if rng.random() < 0.45:
        for _ in range(1 + int(rng.random() ** 2 * 4)):
            _edit_bytes(rng, data)
    return bytes(data[:LARGEST])


def compressed(rng: random.Random, data: bytes) -> bytes:
    """Compresses a file; sometimes appends another one or damages the result."""
    packed = bytearray(rng.choice(_PACKERS)(data))
    if rng.random() < 0.2:
        packed += rng.choice(_PACKERS)(data)
    if rng.random() < 0.5:
        _edit_bytes(rng, packed)
    return bytes(packed)


def _edit_opcodes(rng: random.Random, chunks: Chunks, corpus: list[Chunks]) -> None:
    if not chunks:
        return
    at = int(rng.random() * len(chunks))
    match int(rng.random() * 8):
        case 0:
            del chunks[at : at + 1 + int(rng.random() ** 3 * 6)]
        case 1:
            chunks[at:at] = [chunks[at]] * (1 + int(rng.random() ** 8 * 300))
        case 2:
            other = int(rng.random() * len(chunks))
            chunks[at], chunks[other] = chunks[other], chunks[at]
        case 3:
            chunks.insert(at, rng.choice(PIECES))
        case 4:
            donor = rng.choice(corpus)
            start = int(rng.random() * len(donor))
            chunks[at : at + int(rng.random() * 3)] = donor[start : start + int(rng.random() * 20)]
        case 5:  # another opcode with the same argument
            chunks[at] = rng.choice(_OPCODES) + chunks[at][1:]
        case 6:  # the argument at its limits
            value = rng.choice(_EXTREMES)
            chunks[at] = chunks[at][:1] + value + chunks[at][1 + len(value) :]
        case _:
            start = int(rng.random() * len(chunks))
            chunks[at:at] = chunks[start : start + int(rng.random() * 20)]


def _edit_bytes(rng: random.Random, data: bytearray) -> None:
    if not data:
        return
    at = int(rng.random() * len(data))
    match int(rng.random() * 7):
        case 0:
            data[at] ^= 1 << int(rng.random() * 8)
        case 1:
            data[at] = int(rng.random() * 256)
        case 2:
            del data[at : at + 1 + int(rng.random() * 8)]
        case 3:
            data[at:at] = rng.choice(PIECES)
        case 4:
            start = int(rng.random() * len(data))
            data[at:at] = data[start : start + int(rng.random() * 40)]
        case 5:
            value = rng.choice(_EXTREMES)
            data[at : at + len(value)] = value
        case _:
            if rng.random() < 0.3:
                del data[at:]
            else:
                data.insert(at, int(rng.random() * 256))
