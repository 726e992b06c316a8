"""Leaves out the rows whose class is not in a list of classes, or refuses to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_bigdata.packing.sources.tables.labels import (
    NO_CLASS,
    class_numbers,
    clean_labels,
    preview,
    resolve_classes,
)
from keras_bigdata.packing.sources.tables.table import Columns
from keras_bigdata.permutation import Rows
from keras_bigdata.representation import format_count


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The rows and labels that a list of classes leaves out.

    Args:
        kept: The rows that are kept; `None` for all.
        counts: Label -> number of its rows that are left out. Defaults to `{}`.
    """

    kept: Rows | None = None
    counts: dict[Any, int] = field(default_factory=dict)

    def notes(self, where: str) -> list[str]:
        """Returns what is left out, as sentences."""
        if not self.counts:
            return []
        rows = format_count(sum(self.counts.values()), "row")
        labels = format_count(len(self.counts), "label")
        return [
            f"{where}: left out {rows} of {labels} that `classes` does not list: "
            f"{preview(list(self.counts))}"
        ]


def is_class_filter(classes: Any) -> bool:
    """Returns whether the argument `classes` selects: a list does, a source or an index does not.

    The classes of a source or index are those of a trained model, for which a row of another class
    is a mistake.
    """
    return classes is not None and not hasattr(classes, "classes")


def leave_out(labels: Sequence[Any], classes: Sequence[Any], where: str) -> LeftOut:
    """Returns which rows a list of classes leaves out. Rows without a label are kept.

    Args:
        labels: The label of each row; `None` if it has none.
        classes: The classes.
        where: What holds the labels, for error messages.

    Raises:
        ValueError: If rows are left out and a class has none: its name may be misspelled.
    """
    numbers = class_numbers(labels, classes)
    pairs = list(zip(labels, numbers, strict=True))
    counts = Counter(label for label, number in pairs if number == NO_CLASS and label is not None)
    if not counts:
        return LeftOut()
    absent = [name for number, name in enumerate(classes) if number not in set(numbers)]
    if absent:
        raise ValueError(
            f"`classes` ({preview(classes)}) lists {preview(absent)} without a row in {where}, and "
            f"does not list {preview(list(counts))}, whose rows would be left out. Correct the "
            "names, or list all of them."
        )
    kept = [row for row, (label, number) in enumerate(pairs) if label is None or number != NO_CLASS]
    return LeftOut(np.asarray(kept, np.int64), dict(counts))


def filter_table(
    table: Columns, label: Any, separator: str | None, classes: Any
) -> tuple[Columns, LeftOut]:
    """Returns the rows of a table whose label is among a list of classes.

    Args:
        table: The table.
        label, separator, classes: The arguments of these names. Only one column with one label per
            row is filtered: elsewhere, a row may have labels that are listed and others.

    Raises:
        ValueError: As `leave_out`.
    """
    if not isinstance(label, str) or separator is not None or not is_class_filter(classes):
        return table, LeftOut()
    where = f"{table.name}, column {label!r}"
    names = resolve_classes(classes)
    left_out = leave_out(clean_labels(table.values[label], where, names), names, where)
    return (table if left_out.kept is None else table.select(left_out.kept)), left_out
