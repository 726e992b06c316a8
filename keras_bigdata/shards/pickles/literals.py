"""The opcodes that push numbers, byte strings and text."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Literal

from keras_bigdata.shards.pickles.machine import Machine
from keras_bigdata.shards.pickles.nodes import SHORT_BYTES, SHORT_TEXT, Opaque, Payload
from keras_bigdata.shards.pickles.payloads import unescape

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
