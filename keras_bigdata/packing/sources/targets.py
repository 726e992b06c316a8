"""Columns of a table -> targets: class numbers, multi-hot rows, measured values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.labels import (
    NO_CLASS,
    class_numbers,
    clean_labels,
    encode_labels,
    is_missing,
    label_problem,
    resolve_classes,
    sort_classes,
)
from keras_bigdata.packing.sources.problems import add_problem
from keras_bigdata.packing.sources.table import Columns
from keras_bigdata.shards.roles import Structure

LABELS = "labels"
TARGETS = "targets"
# Fields that tables build from other columns.
_RESERVED = {"images", "videos", "masks", "texts"}

# Larger numbers become infinite.
_FLOAT32_MAX = float(np.finfo(np.float32).max)

# A column, several of them, or field name -> column.
LabelColumns: TypeAlias = "str | Sequence[str] | Mapping[str, str]"


@dataclass(slots=True)
class Targets:
    """The targets of a table.

    Args:
        columns: Field name -> array with one entry per row.
        roles: The roles of the fields: a name, a tuple of names, or a dict of output -> name.
        classes: The label that class i stands for, as a list; with several label columns,
            field -> such a list.
        notes: What `pack` reports of them.
        problems: Row -> column -> reason why the row cannot be packed.
    """

    columns: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    roles: Structure | None = None
    classes: Any = None
    problems: dict[int, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def label_fields(label: LabelColumns | None) -> dict[str, str]:
    """Returns field name -> column, for each form of the argument `label`."""
    if label is None:
        return {}
    if isinstance(label, str):
        return {LABELS: label}
    if isinstance(label, Mapping):
        fields = dict(label)
    else:
        fields = {name: name for name in _checked_columns("label", label, dict_allowed=True)}
    for name in (*fields, *fields.values()):
        if not isinstance(name, str):
            raise TypeError(f"`label` must name columns. Received: {name!r} in label={label!r}")
    return fields


def target_columns(target: str | Sequence[str] | None) -> list[str]:
    """Returns the columns of measured values, for each form of the argument `target`."""
    if target is None:
        return []
    if isinstance(target, str):
        return [target]
    return _checked_columns("target", target, dict_allowed=False)


def read_targets(
    table: Columns,
    *,
    label: LabelColumns | None,
    target: str | Sequence[str] | None,
    separator: str | None,
    classes: Any,
) -> Targets:
    """Converts columns of a table to targets.

    Args:
        table: A table that has these columns.
        label: A column of labels becomes the field `labels`. Several become a field each, with
            the names of the columns or of the dict.
        target: A column of numbers becomes the field `targets`, float32 of shape `(rows,)`;
            several become one of shape `(rows, columns)`.
        separator: The separator of several labels in one row; the fields then are multi-hot,
            uint8 of shape `(rows, classes)`. `None` for one label per row.
        classes: The argument of that name, or `None`.

    Raises:
        PackError: If the labels are not classes, or if no row has a label.
        ValueError: If the arguments do not go together.
    """
    _check_arguments(label, target, separator, classes)
    targets = Targets()
    several = label is not None and not isinstance(label, str)
    classes_of_field: dict[str, list[Any]] = {}
    for name, column in label_fields(label).items():
        field_classes = _resolve_field_classes(classes, name, several)
        where = f"{table.name}, column {column!r}"
        targets.columns[name], classes_of_field[name], problems = (
            _class_numbers(table.values[column], where, field_classes)
            if separator is None
            else _multi_hot(table.values[column], where, field_classes, separator)
        )
        for row, reason in problems.items():
            add_problem(targets.problems, row, column, f"{column}: {reason}" if several else reason)
    if label is not None:
        targets.classes = classes_of_field if several else classes_of_field[LABELS]
    columns = target_columns(target)
    if columns:
        numbers = np.stack(
            [_to_float32(table.values[column], column, targets) for column in columns], axis=1
        )
        targets.columns[TARGETS] = numbers[:, 0] if isinstance(target, str) else numbers
    roles = tuple(targets.columns)
    if isinstance(label, Mapping):
        targets.roles = {name: name for name in roles}
    else:
        targets.roles = roles if several or len(roles) > 1 else (roles[0] if roles else None)
    return targets


def add_role(roles: Structure | None, name: str) -> Structure:
    """Returns the structure with one more field, in front."""
    if isinstance(roles, dict):
        return {name: name, **roles}
    if roles is None:
        return name
    return (name, roles) if isinstance(roles, str) else (name, *roles)


def _check_arguments(
    label: LabelColumns | None, target: str | Sequence[str] | None, separator: Any, classes: Any
) -> None:
    """Refuses arguments that cannot be combined."""
    if classes is not None and label is None:
        raise ValueError("`classes` needs `label`, the column of the labels.")
    if separator is not None and (label is None or not isinstance(separator, str) or not separator):
        raise ValueError(
            "`separator` must be the string between the labels of the column `label`, such "
            f'as "|". Received: separator={separator!r}, label={label!r}'
        )
    reserved = _RESERVED | ({TARGETS} if target is not None else set())
    taken = sorted(reserved & set(label_fields(label)))
    if taken:
        raise ValueError(
            f"`label` must not name a field that another argument defines: {taken}. Pass a dict of "
            f'field -> column, such as label={{"kind": {taken[0]!r}}}.'
        )


def _checked_columns(argument: str, columns: Any, *, dict_allowed: bool) -> list[str]:
    checked = list(columns) if isinstance(columns, Sequence) else []
    if not checked or len(set(map(str, checked))) != len(checked):
        raise TypeError(
            f"`{argument}` must be the name of a column{', a dict' if dict_allowed else ''} or a "
            "list of different ones; add values in memory to the table first, as "
            f"df.assign(a=values). Received: {argument} of type {type(columns).__name__}"
        )
    return checked


def _resolve_field_classes(classes: Any, name: str, several: bool) -> list[Any] | None:
    """Returns the classes that the user passed for one field."""
    if classes is None:
        return None
    if not several:
        return resolve_classes(classes)
    lists = getattr(classes, "classes", classes)
    if not isinstance(lists, Mapping) or name not in lists:
        raise ValueError(
            f"`classes` must hold a list for each label, and has none for {name!r}: pass a dict, "
            f"or a source or ShardIndex with the same labels. Received: classes={lists!r}"
        )
    return resolve_classes(lists[name], f"classes[{name!r}]")


def _class_numbers(
    values: Sequence[Any], where: str, classes: list[Any] | None
) -> tuple[npt.NDArray[Any], list[Any], dict[int, str]]:
    labels = clean_labels(values, where)
    classes = sort_classes(labels) if classes is None else classes
    numbers, problems = encode_labels(labels, classes)
    return numbers, classes, problems


def _multi_hot(
    values: Sequence[Any], where: str, classes: list[Any] | None, separator: str
) -> tuple[npt.NDArray[Any], list[Any], dict[int, str]]:
    rows = [_split_labels(value, separator) for value in values]
    flat = clean_labels([label for row in rows for label in row], where)
    classes = sort_classes(flat) if classes is None else classes
    if not classes:
        raise PackError(f"{where}: there is no label in any row.")
    numbers = iter(class_numbers(flat, classes))
    multi_hot = np.zeros((len(rows), len(classes)), np.uint8)
    problems: dict[int, str] = {}
    for row, labels in enumerate(rows):
        for label in labels:
            number = next(numbers)
            if number == NO_CLASS:
                problems[row] = label_problem(label, classes)
            else:
                multi_hot[row, number] = 1
    return multi_hot, classes, problems


def _split_labels(value: Any, separator: str) -> list[Any]:
    """Returns the labels of one row; an empty list for a missing value."""
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [item for item in value if not is_missing(item)]
    if is_missing(value):
        return []
    return [part.strip() for part in str(value).split(separator) if part.strip()]


def _to_float32(values: Sequence[Any], column: str, targets: Targets) -> npt.NDArray[np.float32]:
    """Converts a column to float32; adds rows without a finite number to the problems."""
    numbers = np.zeros(len(values), np.float32)
    rounded: list[Any] = []
    for row, value in enumerate(values):
        if is_missing(value):
            add_problem(targets.problems, row, column, f"{column}: there is no number")
            continue
        try:
            # Python would read "1_000" as 1000; as a label it is a name.
            number = math.nan if isinstance(value, str) and "_" in value else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            reason = f"{column}: {value!r} is not a finite number"
            add_problem(targets.problems, row, column, reason)
        elif abs(number) > _FLOAT32_MAX:
            reason = f"{column}: {value!r} is too large for float32"
            add_problem(targets.problems, row, column, reason)
        else:
            numbers[row] = number
            if number.is_integer() and float(numbers[row]) != number:
                rounded.append(value)
    if rounded:
        targets.notes.append(
            f"{column}: {len(rounded):,} whole numbers, such as {rounded[0]}, are rounded to "
            "float32, which holds those up to 16,777,216 exactly. Subtract a constant, or divide."
        )
    return numbers
