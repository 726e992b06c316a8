"""The state of a pickle's interpreter: stack, marks and memo, and the limits on them."""

from __future__ import annotations

import struct
from typing import Any

from keras_bigdata.errors import CorruptShardError, UnsafePickleError
from keras_bigdata.shards.pickles.stored import Source

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
