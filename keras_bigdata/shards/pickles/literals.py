"""The opcodes that push a constant, a number, a byte string or a text.

Every public function is the action of an opcode, a function of the `Machine`, or returns one for
the given constant or layout of the argument.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Literal

from keras_bigdata.shards.pickles.machine import Machine
from keras_bigdata.shards.pickles.nodes import SHORT_BYTES, SHORT_TEXT, Opaque, Payload
from keras_bigdata.shards.pickles.payloads import unescape

Action = Callable[[Machine], None]

# Longer integers are metadata at best, and reading decimal digits takes quadratic time.
MAX_INT_BYTES = 255
MAX_DIGITS = 600

# Integers as Python writes them. pickle reads 010 as octal, and +1 as True.
_INTEGER = re.compile(rb"(?:0|-?[1-9][0-9]*)\Z")
_BOOLS = {b"00": False, b"01": True}


def push_constant(value: object) -> Action:
    """NONE, NEWTRUE, NEWFALSE, EMPTY_TUPLE."""
    return lambda machine: machine.stack.append(value)


def push_number(layout: struct.Struct) -> Action:
    """BININT, BININT1, BININT2, BINFLOAT."""
    size, unpack = layout.size, layout.unpack

    def push(machine: Machine) -> None:
        machine.stack.append(unpack(machine.source.take(size))[0])

    return push


def push_int_line(machine: Machine) -> None:
    """INT: decimal digits, or `00` and `01` for booleans."""
    digits = _read_digits(machine)
    if digits in _BOOLS:
        machine.stack.append(_BOOLS[digits])
    elif digits is not None:
        machine.stack.append(_parse_int(machine, digits))


def push_long_line(machine: Machine) -> None:
    """LONG: decimal digits, with an `L` if Python 2 wrote them."""
    digits = _read_digits(machine)
    if digits is not None:
        machine.stack.append(_parse_int(machine, digits.removesuffix(b"L")))


def _read_digits(machine: Machine) -> bytes | None:
    """Reads a line of digits; for a long one returns `None` and pushes an `Opaque`."""
    length = machine.source.line_length()
    if length > MAX_DIGITS:
        machine.source.skip(length + 1)
        machine.push_object(Opaque("an integer of many digits"))
        return None
    digits = machine.source.take(length)
    machine.source.skip(1)
    return digits


def _parse_int(machine: Machine, digits: bytes) -> int:
    if not _INTEGER.match(digits):
        raise machine.corrupt_error("text that is not an integer")
    return int(digits)


def push_long(layout: struct.Struct) -> Action:
    """LONG1, LONG4: an integer in binary, after its length."""

    def push(machine: Machine) -> None:
        length = machine.read_length(layout)
        if length <= MAX_INT_BYTES:
            data = machine.source.take(length)
            return machine.stack.append(int.from_bytes(data, "little", signed=True))
        machine.source.skip(length)
        return machine.push_object(Opaque(f"an integer of {length} bytes"))

    return push


def push_float_line(machine: Machine) -> None:
    """FLOAT: a number in decimal."""
    try:
        machine.stack.append(float(machine.read_line(100)))
    except ValueError:
        raise machine.corrupt_error("text that is not a number") from None


def push_bytes(kind: Literal["bytes", "bytearray", "str"], layout: struct.Struct) -> Action:
    """BINBYTES, BYTEARRAY8, BINSTRING and their short and long forms."""

    def push(machine: Machine) -> None:
        source = machine.source
        length = machine.read_length(layout)
        offset = source.position
        data = source.take(length) if length <= SHORT_BYTES else None
        if data is None:
            source.skip(length)
        machine.push_object(Payload(kind, "raw", offset, length, data))

    return push


def push_text(layout: struct.Struct) -> Action:
    """BINUNICODE and its short and long forms."""
    return lambda machine: _push_text(machine, machine.read_length(layout), "utf-8")


def push_text_line(machine: Machine) -> None:
    """UNICODE: a text with escapes."""
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
        raise machine.corrupt_error(f"text that is not {encoding} ({error.reason})") from None


def push_string_line(machine: Machine) -> None:
    """STRING: a byte string as Python 2's `repr` wrote it, with quotes and backslashes."""
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
        raise machine.corrupt_error("a string without its quotes or with an unknown escape")
    return machine.push_object(Payload("str", "inline", offset, length, data))
