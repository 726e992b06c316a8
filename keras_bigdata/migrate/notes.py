"""Joins notes that say the same about many lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from keras_bigdata.migrate.script import Note

# The same note on more lines than this becomes one note.
_MAX_EQUAL_NOTES = 3
# The number of lines that a joined note names.
_MAX_LINES = 10


def merge_notes(notes: Iterable[Note], line_name: Callable[[int], str]) -> list[Note]:
    """Returns notes sorted by line, with one instead of many that say the same.

    Args:
        notes: the notes of one file.
        line_name: returns how messages name a line.
    """
    by_message: dict[str, list[Note]] = {}
    for note in sorted(notes):
        by_message.setdefault(note.message, []).append(note)
    merged: list[Note] = []
    for message, equal in by_message.items():
        if len(equal) <= _MAX_EQUAL_NOTES:
            merged += equal
            continue
        others = [line_name(note.line) for note in equal[1:]]
        rest = f" and {len(others) - _MAX_LINES} more" if len(others) > _MAX_LINES else ""
        merged.append(
            Note(equal[0].line, f"{message} The same in {', '.join(others[:_MAX_LINES])}{rest}.")
        )
    return sorted(merged)
