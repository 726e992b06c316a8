"""The state of the interpreter that parses a pickle (stack, marks, memo) and the limits on it."""

from __future__ import annotations

import struct
from typing import Any

from keras_bigdata.errors import CorruptShardError, UnsafePickleError
from keras_bigdata.shards.pickles.nodes import Pairs
from keras_bigdata.shards.pickles.source import ByteSource

# A file of one-byte opcodes would otherwise take 100 times its size in memory. A string in a list
# counts three times (itself, its place, its memo entry), an array once, and a list of numbers
# once per thousand.
MAX_OBJECTS = 5_000_000

# Containers whose first item is a container. Rows of lists of tuples reach `MAX_OBJECTS` about as
# early; a nest of five million tuples in as many bytes took seconds to reach it.
MAX_NESTED = 500_000

_CONTAINERS = frozenset((tuple, list, Pairs))

_MISSING: Any = object()


class Machine:
    """Parses one pickle from the source's position to its STOP.

    Args:
        source: the open file.

    Attributes:
        stack: the values above the last mark.
        frames: the stacks below the open marks.
        below: number of values in `frames`.
        memo: the entries of the memo up to the first gap in their numbers.
        far_memo: the other entries of the memo.
        entries: number of entries in both.
        objects: number of objects created so far.
        nested: number of containers so far that `count_nested` has counted.
        at: byte position of the current opcode.
    """

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.stack: list[Any] = []
        self.frames: list[list[Any]] = []
        self.below = 0
        self.memo: list[Any] = [_MISSING]  # Python 2 counts from 1, Python 3 from 0
        self.far_memo: dict[int, Any] = {}
        self.entries = 0
        self.objects = 0
        self.nested = 0
        self.at = 0

    def result(self) -> object:
        """Returns the value of the pickle, after STOP."""
        if self.frames or len(self.stack) != 1:
            raise self.source.corrupt_error(
                f"the pickle stops at byte {self.at}, before its value is complete"
            )
        return self.stack[0]

    def count(self, objects: int = 1) -> None:
        """Counts new Python objects.

        Raises:
            UnsafePickleError: if there are more than `MAX_OBJECTS`.
        """
        self.objects += objects
        if self.objects > MAX_OBJECTS:
            raise self.limit_error("objects")

    def count_nested(self, item: object) -> None:
        """Counts a container whose first item this is, if the item is a container.

        Raises:
            UnsafePickleError: if there are more than `MAX_NESTED`.
        """
        if type(item) in _CONTAINERS:
            self.nested += 1
            if self.nested > MAX_NESTED:
                raise self.limit_error("containers in containers", MAX_NESTED)

    def limit_error(self, what: str, limit: int | None = None) -> UnsafePickleError:
        """Returns the error for more than `MAX_OBJECTS`, or another limit, of something."""
        limit = MAX_OBJECTS if limit is None else limit
        return self.source.unsafe_error(f"the pickle holds more than {limit:,} {what}", self.at)

    def corrupt_error(self, reason: str) -> CorruptShardError:
        """Returns the error for a damaged pickle, with the position of the current opcode."""
        return self.source.corrupt_error(f"{reason} at byte {self.at}")

    def push_object(self, value: object) -> None:
        """Pushes a value that takes memory, which is counted."""
        self.count()
        self.stack.append(value)

    def read_number(self, layout: struct.Struct) -> int:
        """Reads the integer argument of an opcode."""
        value: int = layout.unpack(self.source.take(layout.size))[0]
        return value

    def read_length(self, layout: struct.Struct) -> int:
        """Reads a length, which must not reach beyond the end of the file."""
        length = self.read_number(layout)
        if length < 0:
            raise self.corrupt_error(f"a negative length of {length} bytes")
        self.source.check_range(self.source.position, length)
        return length

    def read_line(self, limit: int) -> bytes:
        """Reads a line of at most `limit` bytes; returns it without its newline."""
        length = self.source.line_length()
        if length > limit:
            raise self.corrupt_error(
                f"a line of {length} bytes where at most {limit} were expected"
            )
        line = self.source.take(length)
        self.source.skip(1)
        return line

    def close_mark(self) -> list[Any]:
        """Removes the last mark; returns the values above it."""
        items = self.stack
        self.stack = self.frames.pop()
        self.below -= len(self.stack)
        return items

    def memoize(self, index: int) -> None:
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
            raise self.corrupt_error(f"memo entry {index} is used but was never set")
        self.stack.append(value)
