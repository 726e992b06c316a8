"""Converts columns of a table to targets: class numbers, multi-hot rows, measured values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_choice
from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.tables.labels import (
    NO_CLASS,
    class_numbers,
    clean_labels,
    encode_labels,
    label_problem,
    resolve_classes,
    sort_classes,
)
from keras_bigdata.packing.sources.tables.missing_values import is_missing
from keras_bigdata.packing.sources.tables.numbers import Numbers
from keras_bigdata.packing.sources.tables.problems import add_problem, merge_problems
from keras_bigdata.packing.sources.tables.table import Columns
from keras_bigdata.shards.fields.roles import Structure
from keras_bigdata.shards.fields.standard_fields import (
    IMAGES,
    LABELS,
    MASKS,
    TARGETS,
    TEXTS,
    VIDEOS,
)

# Fields that tables build from other columns.
_RESERVED = {IMAGES, VIDEOS, MASKS, TEXTS}

# A column, several of them, or field name -> column.
LabelColumns: TypeAlias = "str | Sequence[str] | Mapping[str, str]"
# A column, several of them in one field, or field name -> one or several columns.
TargetColumns: TypeAlias = "str | Sequence[str] | Mapping[str, str | Sequence[str]]"
Missing: TypeAlias = Literal["error", "mask"]


@dataclass(slots=True)
class Targets:
    """The targets of a table.

    Args:
        columns: Field name -> array with one entry per row.
        roles: The roles of the fields: a name, a tuple of names, or a dict of output -> name.
        classes: The label that class i stands for, as a list; with several label columns,
            field -> such a list.
        notes: The notes that `pack` prints about them.
        problems: Row -> column -> reason why the row cannot be packed.
        present: Field -> which rows have its number, with `missing="mask"`.
    """

    columns: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    roles: Structure | None = None
    classes: Any = None
    problems: dict[int, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    present: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)


def label_fields(label: LabelColumns | None) -> dict[str, str]:
    """Returns field name -> column, for each form of the argument `label`."""
    if label is None:
        return {}
    if isinstance(label, str):
        return {LABELS: label}
    if isinstance(label, Mapping):
        fields = dict(label)
    else:
        fields = {name: name for name in _checked_columns("label", label)}
    for name in (*fields, *fields.values()):
        if not isinstance(name, str):
            raise TypeError(f"`label` must name columns. Received: {name!r} in label={label!r}")
    return fields


def target_fields(target: TargetColumns | None) -> dict[str, list[str]]:
    """Returns field name -> columns of measured values, for each form of the argument `target`."""
    if target is None:
        return {}
    if not isinstance(target, Mapping):
        return {TARGETS: _target_columns(target)}
    for name in target:
        if not isinstance(name, str):
            raise TypeError(f"`target` must name fields. Received: {name!r} in target={target!r}")
    if not target:
        raise ValueError("`target` must not be an empty dict.")
    return {name: _target_columns(columns) for name, columns in target.items()}


def used_columns(label: LabelColumns | None, target: TargetColumns | None) -> list[str]:
    """Returns the columns that `label` and `target` name."""
    targets = target_fields(target).values()
    return [*label_fields(label).values(), *(name for columns in targets for name in columns)]


def read_targets(
    table: Columns,
    *,
    label: LabelColumns | None,
    target: TargetColumns | None,
    separator: str | None,
    classes: Any,
    missing: Missing = "error",
) -> Targets:
    """Converts columns of a table to targets.

    Args:
        table: A table that has these columns.
        label: A column of labels becomes the field `labels`. Several become a field each, with
            the names of the columns or of the dict.
        target: A column of numbers becomes the field `targets`, float32 of shape `(rows,)`;
            several become one of shape `(rows, columns)`. A dict is one field for each key.
        separator: The separator of several labels in one row; the fields then are multi-hot,
            uint8 of shape `(rows, classes)`. `None` for one label per row.
        classes: The argument of that name, or `None`.
        missing: `"mask"` if a row without a number is not a problem: it is then 0, and not
            `present`. Defaults to `"error"`.

    Raises:
        PackError: If the labels are not classes, or if no row has a label; with
            `missing="mask"`, if no row has a number.
        ValueError: If the arguments do not go together.
    """
    _check_arguments(label, target, separator, classes, missing)
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
    for name, columns in target_fields(target).items():
        _read_numbers(table, name, columns, targets, missing)
        if isinstance(_columns_of(target, name), str):
            targets.columns[name] = targets.columns[name][:, 0]
    roles = tuple(targets.columns)
    if isinstance(label, Mapping) or isinstance(target, Mapping):
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
    label: LabelColumns | None,
    target: TargetColumns | None,
    separator: Any,
    classes: Any,
    missing: Missing,
) -> None:
    """Refuses arguments that cannot be combined."""
    checked_choice(missing, "missing", ("error", "mask"))
    if missing == "mask" and target is None:
        raise ValueError(
            '`missing="mask"` is for numbers to predict, and needs `target`. Rows without a label '
            'are left out by pack(..., on_error="skip").'
        )
    if classes is not None and label is None:
        raise ValueError("`classes` needs `label`, the column of the labels.")
    if separator is not None and (label is None or not isinstance(separator, str) or not separator):
        raise ValueError(
            "`separator` must be the string between the labels of the column `label`, such "
            f'as "|". Received: separator={separator!r}, label={label!r}'
        )
    numbers = target_fields(target)
    taken = sorted((_RESERVED | set(numbers)) & set(label_fields(label)))
    if taken:
        raise ValueError(
            f"`label` must not name a field that another argument defines: {taken}. Pass a dict of "
            f'field -> column, such as label={{"kind": {taken[0]!r}}}.'
        )
    taken = sorted((_RESERVED | {LABELS}) & set(numbers))
    if taken:
        raise ValueError(
            f"`target` must not name a field that another argument defines: {taken}. Pass a dict "
            f'with another key, such as target={{"value": {taken[0]!r}}}.'
        )


def _checked_columns(argument: str, columns: Any) -> list[str]:
    checked = list(columns) if isinstance(columns, Sequence) else []
    if not checked or len(set(map(str, checked))) != len(checked):
        raise TypeError(
            f"`{argument}` must be the name of a column, a dict or a "
            "list of different ones; add values in memory to the table first, as "
            f"df.assign(a=values). Received: {argument} of type {type(columns).__name__}"
        )
    return checked


def _target_columns(columns: Any) -> list[str]:
    if isinstance(columns, str):
        return [columns]
    return _checked_columns("target", columns)


def _columns_of(target: Any, name: str) -> Any:
    return target[name] if isinstance(target, Mapping) else target


def _read_numbers(
    table: Columns, name: str, columns: Sequence[str], targets: Targets, missing: Missing
) -> None:
    """Adds a field of numbers, of shape `(rows, columns)`."""
    is_masked = missing == "mask"
    if is_masked and len(columns) > 1:
        spelling = ", ".join(f"{column!r}: {column!r}" for column in columns)
        raise ValueError(
            f'`missing="mask"` sets the weight of a row to 0 for an output, and {name!r} has '
            f"several columns, of which a row may lack only one. Make each an output of its own: "
            f"target={{{spelling}}}. Received: {list(columns)}"
        )
    numbers = Numbers()
    for column in columns:
        numbers.add(table.values[column], column, allow_missing=is_masked)
    if is_masked:
        targets.present[name] = numbers.present[0]
        if not numbers.present[0].any() and not numbers.problems:
            raise PackError(f"{table.name}, column {columns[0]!r}: there is no number in any row.")
    targets.columns[name] = np.stack(numbers.values, axis=1)
    targets.notes += numbers.notes
    targets.problems = merge_problems(targets.problems, numbers.problems)


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
    labels = clean_labels(values, where, classes)
    classes = sort_classes(labels) if classes is None else classes
    numbers, problems = encode_labels(labels, classes)
    return numbers, classes, problems


def _multi_hot(
    values: Sequence[Any], where: str, classes: list[Any] | None, separator: str
) -> tuple[npt.NDArray[Any], list[Any], dict[int, str]]:
    rows = [_split_labels(value, separator) for value in values]
    flat = clean_labels([label for row in rows for label in row], where, classes)
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
