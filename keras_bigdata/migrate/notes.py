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
        others = [note.line for note in equal[1:]]
        rest = f" and {len(others) - _MAX_LINES} more" if len(others) > _MAX_LINES else ""
        places = name_lines(others[:_MAX_LINES], line_name)
        merged.append(Note(equal[0].line, f"{message} The same in {places}{rest}."))
    return sorted(merged)


def name_lines(lines: Iterable[int], line_name: Callable[[int], str]) -> str:
    """Returns lines as messages name them, such as `lines 3, 5` or `line 3 of cell 2`.

    Args:
        lines: the numbers of the lines.
        line_name: returns how messages name one line.
    """
    names = [line_name(line) for line in lines]
    text = ", ".join(names)
    if len(names) > 1 and not any("cell" in name for name in names):
        return "lines " + text.replace("line ", "")
    return text
