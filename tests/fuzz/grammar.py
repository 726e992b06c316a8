"""Generates pickles that are nearly valid, so that much of them is parsed."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from tests.fuzz.mutate import EVIL, PIECES
from tests.helpers.pickle_bytes import (
    NDARRAY,
    array,
    call,
    dtype,
    name,
    py2,
    raw,
    structure,
    text,
    tup,
)

_SIZES = (0, 1, 2, 3, 4, 63, 64, 65, 255, 256, 257)
_NUMBERS = (0, 1, 2, 3, 7, 255, 256, -1, -2, 65535, 2**31 - 1, -(2**31))
_CODES = ("i4", "u1", "f8", "f2", "b1", "S4", "U2", "V8", "M8", "c16", "i8", "O8", "f16", "S0")
_ITEMSIZE = {"S4": 4, "U2": 8, "V8": 8, "S0": 0}
_BYTES = {"i4": 4, "u1": 1, "f8": 8, "f2": 2, "b1": 1, "M8": 8, "c16": 16, "i8": 8, "f16": 16}
_WRAPPER = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81"


class Grammar:
    """Generates the opcodes of random values.

    Args:
        rng: the source of all choices.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.memo = 0
        self.budget = 40
        self.kinds: tuple[Callable[[int], bytes], ...] = (
            self.number, self.number, self.string, self.string, self.sequence, self.sequence,
            self.numbers, self.mapping, self.array, self.array, self.array, self.scalar, self.dtype,
            self.frombuffer, self.joblib, self.call, self.recall, self.noise,
        )  # fmt: skip

    def file(self) -> bytes:
        head = self.rng.choice((b"", b"\x80\x02", b"\x80\x04", b"\x80\x05"))
        body = self.mapping(0) if self.rng.random() < 0.5 else self.value(0)
        return head + body + b"."

    def value(self, depth: int) -> bytes:
        self.budget -= 1
        if depth > 5 or self.budget < 0:
            return self.number(depth)
        data = self.rng.choice(self.kinds)(depth + 1)
        if self.rng.random() < 0.15:
            data += self.remember()
        return data

    def remember(self) -> bytes:
        self.memo += 1
        index = self.memo - 1
        return self.rng.choice(
            (b"\x94", bytes([113, index]), b"p%d\n" % index, b"r" + struct.pack("<I", index))
        )

    def recall(self, depth: int) -> bytes:
        if not self.memo:
            return self.number(depth)
        index = int(self.rng.random() * self.memo)
        return self.rng.choice(
            (bytes([104, index]), b"g%d\n" % index, b"j" + struct.pack("<I", index))
        )

    def number(self, depth: int) -> bytes:
        value = self.rng.choice(_NUMBERS)
        match int(self.rng.random() * 9):
            case 0:
                return b"J" + struct.pack("<i", value)
            case 1:
                return b"K" + bytes([value & 255])
            case 2:
                return b"I%d\n" % value
            case 3:
                return b"L%dL\n" % (value << 40)
            case 4:
                return b"\x8a\x09" + (value << 33).to_bytes(9, "little", signed=True)
            case 5:
                return b"G" + struct.pack(">d", value / 7)
            case 6:
                return b"F%r\n" % (value / 7)
            case 7:
                return self.rng.choice((b"N", b"\x88", b"\x89", b"I01\n", b"I00\n"))
            case _:
                return b"M" + struct.pack("<H", value & 65535)

    def string(self, depth: int) -> bytes:
        size = self.rng.choice(_SIZES)
        data = bytes([int(self.rng.random() * 256)]) * size
        match int(self.rng.random() * 9):
            case 0:
                return raw(data)
            case 1:
                return py2(data)
            case 2:
                return text("a" * size)
            case 3:
                return text("\u20ac\xff\0"[: size % 4])
            case 4:
                return b"V" + b"\\u00ff" * (size // 6) + b"\n"
            case 5:
                return b"S" + repr(data)[1:].encode() + b"\n"
            case 6:
                return b"\x8e" + struct.pack("<Q", size) + data
            case 7:
                return b"\x96" + struct.pack("<Q", size) + data
            case _:
                return b"\x8d" + struct.pack("<Q", size) + b"b" * size

    def sequence(self, depth: int) -> bytes:
        same = self.value(depth) if self.rng.random() < 0.5 else None
        items = [same or self.value(depth) for _ in range(self.rng.choice((0, 1, 2, 2, 3)))]
        match int(self.rng.random() * 4):
            case 0:
                return b"](" + b"".join(items) + b"e"
            case 1:
                return b"(" + b"".join(items) + b"l"
            case 2:
                return b"]" + b"".join(item + b"a" for item in items)
            case _:
                return b"(" + b"".join(items) + b"t"

    def numbers(self, depth: int) -> bytes:
        """Returns a run of numbers around the length from which it is packed."""
        one = self.number(depth)
        count = self.rng.choice((63, 64, 65, 130))
        items = one * count + (self.number(depth) if self.rng.random() < 0.3 else b"")
        return self.rng.choice((b"](" + items + b"e", b"(" + items + b"t", b"(" + items + b"l"))

    def mapping(self, depth: int) -> bytes:
        items = b"".join(
            (self.string(depth) if self.rng.random() < 0.4 else text("abcdef"[position]))
            + self.value(depth)
            for position in range(self.rng.choice((0, 1, 2, 3)))
        )
        return self.rng.choice((b"}(" + items + b"u", b"(" + items + b"d"))

    def dtype(self, depth: int) -> bytes:
        return self.typed(self.rng.choice(_CODES))

    def typed(self, code: str) -> bytes:
        roll = self.rng.random()
        if roll < 0.05:
            return self.value(4)
        if roll < 0.15:
            part = (self.typed("i4"), self.rng.choice((0, 1, 4, 5)))
            return structure(8, a=part, b=(self.typed("f2"), self.rng.choice((0, 4, 6))))
        if roll < 0.2:
            inner = tup(self.typed("i4"), tup(*[b"K\2"] * self.rng.choice((0, 1, 2))))
            return dtype("V8", "|", 8, subarray=inner)
        if code == "M8":
            metadata = tup(
                b"}", tup(b"C\x01s", b"K" + bytes([self.rng.choice((0, 1, 25))]), b"K\1", b"K\1")
            )
            state = tup(b"K\4", text("<"), b"NNN", b"J\xff\xff\xff\xff" * 2, b"K\0", metadata)
            return call(name("numpy", "dtype"), text("M8"), b"K\0", b"K\1") + state + b"b"
        order = "|" if code in ("u1", "b1", "S4", "V8", "O8", "S0") else self.rng.choice("<>")
        return dtype(code, order, _ITEMSIZE.get(code, -1))

    def shape(self) -> list[int]:
        return [self.rng.choice((0, 1, 2, 3, 3)) for _ in range(self.rng.choice((0, 1, 1, 2, 3)))]

    def content(self, code: str, sizes: list[int]) -> bytes:
        count = _ITEMSIZE.get(code, _BYTES.get(code, 8))
        for size in sizes:
            count *= size
        data = bytes([int(self.rng.random() * 256)]) * count
        encode = name("_codecs", "encode")
        match int(self.rng.random() * 6):
            case 0:
                return call(encode, text(data.decode("latin-1")), text("latin1"))
            case 1:
                return call(encode, b"V" + data.replace(b"\n", b"a").replace(b"\\", b"a") + b"\n",
                            text("latin-1"))  # fmt: skip
            case 2:
                return py2(data)
            case 3:
                return b"S" + repr(data)[1:].encode() + b"\n"
            case _:
                return raw(data)

    def sizes(self, values: list[int]) -> bytes:
        if self.rng.random() < 0.05:
            return self.value(4)
        return tup(*(b"K" + bytes([value]) for value in values))

    def array(self, depth: int) -> bytes:
        code, sizes = self.rng.choice(_CODES), self.shape()
        return array(
            self.typed(code),
            self.sizes(sizes),
            self.content(code, sizes),
            fortran=self.rng.choice((b"\x88", b"\x89")),
        )

    def scalar(self, depth: int) -> bytes:
        code = self.rng.choice(_CODES)
        return call(
            name("numpy.core.multiarray", "scalar"), self.typed(code), self.content(code, [])
        )

    def frombuffer(self, depth: int) -> bytes:
        code, sizes = self.rng.choice(_CODES), self.shape()
        axes = list(range(len(sizes)))
        self.rng.shuffle(axes)
        order = self.rng.choice(("C", "F", "K"))
        data = b"\x96" + raw(b"")[1:] + bytes(4) if self.rng.random() < 0.1 else None
        function = name("numpy.core.numeric", "_frombuffer")
        parts = [data or self.content(code, sizes), self.typed(code), self.sizes(sizes)]
        tail = [self.sizes(axes)] if (order == "K") == (self.rng.random() < 0.95) else []
        return call(function, *parts, text(order), *tail)

    def joblib(self, depth: int) -> bytes:
        code, sizes = self.rng.choice(_CODES[:8]), self.shape()
        count = _ITEMSIZE.get(code, _BYTES.get(code, 8))
        for size in sizes:
            count *= size
        aligned = self.rng.random() < 0.6
        state = [
            text("subclass") + NDARRAY,
            text("shape") + self.sizes(sizes),
            text("order") + text(self.rng.choice("CF")),
            text("dtype") + self.typed(code),
            text("allow_mmap") + b"\x88",
            text("numpy_array_alignment_bytes") + (b"K\x10" if aligned else b"N"),
        ]
        if self.rng.random() < 0.1:
            del state[int(self.rng.random() * 6)]
        padding = b"\3\xff\xff\xff" if aligned else b""
        wrapper = _WRAPPER + (self.remember() if self.rng.random() < 0.2 else b"")
        return wrapper + b"}(" + b"".join(state) + b"ub" + padding + bytes(count)

    def call(self, depth: int) -> bytes:
        args = [self.value(depth) for _ in range(self.rng.choice((0, 1, 1, 2)))]
        module, last = self.rng.choice(
            (("builtins", "bytes"), ("builtins", "bytearray"), ("builtins", "set"),
             ("builtins", "frozenset"), ("builtins", "complex"), ("collections", "OrderedDict"),
             ("_codecs", "encode"))
        )  # fmt: skip
        return call(name(module, last), *args)

    def noise(self, depth: int) -> bytes:
        return self.rng.choice(EVIL if self.rng.random() < 0.1 else PIECES)
