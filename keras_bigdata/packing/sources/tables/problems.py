"""The reasons why rows of a table cannot be packed: row -> column -> reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Problems: TypeAlias = Mapping[int, Mapping[str, str]]


def add_problem(problems: dict[int, dict[str, str]], row: int, column: str, reason: str) -> None:
    """Adds a reason; a column may have several for one row."""
    reasons = problems.setdefault(row, {})
    reasons[column] = f"{reasons[column]}; {reason}" if column in reasons else reason


def merge_problems(*parts: Problems) -> dict[int, dict[str, str]]:
    """Returns the reasons of several columns, in this order."""
    merged: dict[int, dict[str, str]] = {}
    for part in parts:
        for row, reasons in part.items():
            for column, reason in reasons.items():
                add_problem(merged, row, column, reason)
    return merged


def describe_counts(counts: Mapping[str, int]) -> str:
    """Returns the number of rows with a problem in each column as a sentence, or an empty text."""
    if not counts:
        return ""
    listed = ", ".join(f"{column!r} {count:,}" for column, count in counts.items())
    return f"Rows without a usable value, by column: {listed}."
