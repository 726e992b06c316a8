"""The state of a pickle's interpreter: stack, marks and memo, and the limits on them."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any, Literal

from keras_bigdata.errors import CorruptShardError, UnsafePickleError
from keras_bigdata.shards.pickles.decode import unescape
from keras_bigdata.shards.pickles.nodes import SHORT_BYTES, SHORT_TEXT, Opaque, Payload
from keras_bigdata.shards.pickles.source import Source

# A file of one-byte opcodes would otherwise take 100 times its size in memory. A string in a list
# counts three times (itself, its place, its memo entry), an array once, and a list of numbers
# once per thousand.
MAX_OBJECTS = 5_000_000

_MISSING: Any = object()


class Machine:
    """Follows one pickle from the source's position to its STOP.

    Args:
        source: the open file.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.stack: list[Any] = []
        self.frames: list[list[Any]] = []  # stacks below the open marks
        self.below = 0  # values in `frames`
        self.memo: list[Any] = [_MISSING]  # Python 2 counts from 1, Python 3 from 0
        self.far_memo: dict[int, Any] = {}  # entries that do not follow the one before
        self.entries = 0
        self.objects = 0
        self.at = 0  # byte position of the current opcode

    def result(self) -> object:
        if self.frames or len(self.stack) != 1:
            raise self.source.corrupt(f"the pickle stops at byte {self.at} with its work undone")
        return self.stack[0]

    def count(self, objects: int = 1) -> None:
        """Keeps the number of Python objects in bounds."""
        self.objects += objects
        if self.objects > MAX_OBJECTS:
            raise self.too_much("objects")

    def too_much(self, what: str) -> UnsafePickleError:
        return self.source.unsafe(f"the pickle holds more than {MAX_OBJECTS:,} {what}", self.at)

    def bad(self, what: str) -> CorruptShardError:
        return self.source.corrupt(f"{what} at byte {self.at}")

    def push_object(self, value: object) -> None:
        self.count()
        self.stack.append(value)

    def number(self, layout: struct.Struct) -> int:
        """The integer argument of an opcode."""
        value: int = layout.unpack(self.source.take(layout.size))[0]
        return value

    def length(self, layout: struct.Struct) -> int:
        """A length that the file can hold."""
        length = self.number(layout)
        if length < 0:
            raise self.bad(f"a negative length of {length} bytes")
        self.source.check(self.source.position, length)
        return length

    def line(self, limit: int) -> bytes:
        """The text up to the newline, which is used up; it must be short."""
        length = self.source.line_length()
        if length > limit:
            raise self.bad(f"a line of {length} bytes where at most {limit} were expected")
        line = self.source.take(length)
        self.source.skip(1)
        return line

    def close_mark(self) -> list[Any]:
        """What was pushed since the last mark."""
        items = self.stack
        self.stack = self.frames.pop()
        self.below -= len(self.stack)
        return items

    def remember(self, index: int) -> None:
        """Puts the top of the stack into the memo."""
        self.count()
        value = self.stack[-1]
        if index == len(self.memo):  # nearly always; a dict takes ten times the memory
            self.memo.append(value)
            self.entries += self.far_memo.pop(index, _MISSING) is _MISSING
        elif index < len(self.memo):
            self.entries += self.memo[index] is _MISSING
            self.memo[index] = value
        else:
            self.entries += index not in self.far_memo
            self.far_memo[index] = value

    def recall(self, index: int) -> None:
        """Pushes a memo entry."""
        value = self.memo[index] if index < len(self.memo) else _MISSING
        if value is _MISSING:
            value = self.far_memo.get(index, _MISSING)
        if value is _MISSING:
            raise self.bad(f"memo entry {index} is used but was never made")
        self.stack.append(value)


# Longer integers are metadata at best, and reading decimal digits takes quadratic time.
MAX_INT_BYTES = 255
MAX_DIGITS = 600

# As Python writes them. pickle reads 010 as octal, and +1 as True.
_INTEGER = re.compile(rb"(?:0|-?[1-9][0-9]*)\Z")
_BOOLS = {b"00": False, b"01": True}


def constant(value: object) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(value)


def number(layout: struct.Struct) -> Callable[[Machine], None]:
    size, unpack = layout.size, layout.unpack

    def push(machine: Machine) -> None:
        machine.stack.append(unpack(machine.source.take(size))[0])

    return push


def integer_line(machine: Machine) -> None:
    text = _digits(machine)
    if text in _BOOLS:
        machine.stack.append(_BOOLS[text])
    elif text is not None:
        machine.stack.append(_integer(machine, text))


def long_integer_line(machine: Machine) -> None:
    text = _digits(machine)
    if text is not None:
        machine.stack.append(_integer(machine, text.removesuffix(b"L")))


def _digits(machine: Machine) -> bytes | None:
    """A line of few digits; one of many stands for something that is no field."""
    length = machine.source.line_length()
    if length > MAX_DIGITS:
        machine.source.skip(length + 1)
        machine.push_object(Opaque("an integer of many digits"))
        return None
    text = machine.source.take(length)
    machine.source.skip(1)
    return text


def _integer(machine: Machine, text: bytes) -> int:
    if not _INTEGER.match(text):
        raise machine.bad("text that is no integer")
    return int(text)


def long_integer(layout: struct.Struct) -> Callable[[Machine], None]:
    def push(machine: Machine) -> None:
        length = machine.length(layout)
        if length <= MAX_INT_BYTES:
            data = machine.source.take(length)
            return machine.stack.append(int.from_bytes(data, "little", signed=True))
        machine.source.skip(length)
        return machine.push_object(Opaque(f"an integer of {length} bytes"))

    return push


def float_line(machine: Machine) -> None:
    try:
        machine.stack.append(float(machine.line(100)))
    except ValueError:
        raise machine.bad("text that is no number") from None


def byte_string(
    kind: Literal["bytes", "bytearray", "str"], layout: struct.Struct
) -> Callable[[Machine], None]:
    def push(machine: Machine) -> None:
        source = machine.source
        length = machine.length(layout)
        offset = source.position
        data = source.take(length) if length <= SHORT_BYTES else None
        if data is None:
            source.skip(length)
        machine.push_object(Payload(kind, "raw", offset, length, data))

    return push


def text(layout: struct.Struct) -> Callable[[Machine], None]:
    return lambda machine: _push_text(machine, machine.length(layout), "utf-8")


def text_line(machine: Machine) -> None:
    _push_text(machine, machine.source.line_length(), "raw-unicode-escape")
    machine.source.skip(1)


def _push_text(
    machine: Machine, length: int, encoding: Literal["utf-8", "raw-unicode-escape"]
) -> None:
    source = machine.source
    if length > SHORT_TEXT:
        machine.push_object(Payload("text", encoding, source.position, length))
        return source.skip(length)
    errors = "surrogatepass" if encoding == "utf-8" else "strict"
    try:
        return machine.push_object(source.take(length).decode(encoding, errors))
    except UnicodeDecodeError as error:
        raise machine.bad(f"text that is not {encoding} ({error.reason})") from None


def string_line(machine: Machine) -> None:
    """A byte string as Python 2's repr wrote it: quotes and backslashes."""
    source = machine.source
    length = source.line_length()
    offset = source.position
    if length > SHORT_TEXT:
        machine.push_object(Payload("str", "string-escape", offset, length))
        return source.skip(length + 1)
    line = source.take(length)
    source.skip(1)
    data = unescape(line)
    if data is None:
        raise machine.bad("a string without its quotes or with an unknown escape")
    return machine.push_object(Payload("str", "inline", offset, length, data))
