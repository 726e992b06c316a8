"""Columns of a table -> targets: class numbers, multi-hot rows, measured values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.base import known, label_problems, shown
from keras_bigdata.packing.sources.labels import class_numbers, clean_labels, distinct, is_missing
from keras_bigdata.packing.sources.table import Columns
from keras_bigdata.shards.roles import Structure

LABELS = "labels"
TARGETS = "targets"
# Fields that tables make of other columns.
_OTHERS = {"images", "videos", "masks", "texts"}

# Beyond it a number becomes infinite.
LARGEST = float(np.finfo(np.float32).max)

# A column, several of them, or field name -> column.
Label: TypeAlias = "str | Sequence[str] | Mapping[str, str]"


@dataclass(slots=True)
class Targets:
    """What `read_targets` makes of a table.

    Args:
        columns: field name -> array with an entry a row.
        roles: the part they play: a name, a tuple of names, or a dict of output -> name.
        classes: the label that class i stands for; a dict of lists with several label columns.
        problems: row -> what keeps it from being packed.
    """

    columns: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    roles: Structure | None = None
    classes: Any = None
    problems: dict[int, str] = field(default_factory=dict)


def label_fields(label: Label | None) -> dict[str, str]:
    """Field name -> column, for every way to give `label`."""
    if label is None:
        return {}
    if isinstance(label, str):
        return {LABELS: label}
    fields = dict(label) if isinstance(label, Mapping) else _columns("label", label, key=True)
    for part in (*fields, *fields.values()):
        if not isinstance(part, str):
            raise TypeError(f"`label` must name columns. Received: {part!r} in label={label!r}")
    return fields


def target_columns(target: str | Sequence[str] | None) -> list[str]:
    """The columns of measured values."""
    if target is None:
        return []
    return [target] if isinstance(target, str) else list(_columns("target", target, key=False))


def read_targets(
    table: Columns,
    *,
    label: Label | None,
    target: str | Sequence[str] | None,
    separator: str | None,
    classes: Any,
) -> Targets:
    """The targets that the columns of a table make.

    Args:
        table: a table that has these columns.
        label: a column of labels makes `labels`; several make a field each, of their own names
            or those of the dict.
        target: a column of numbers makes `targets`, float32 of shape `(rows,)`; several make
            `(rows, columns)`.
        separator: what stands between several labels of a row; the fields then are multi-hot,
            uint8 of shape `(rows, classes)`. Defaults to `None`.
        classes: what the user gave, or `None`.
    """
    _check(label, target, separator, classes)
    made = Targets()
    several = label is not None and not isinstance(label, str)
    names: dict[str, list[Any]] = {}
    for name, column in label_fields(label).items():
        given = _given(classes, name, several)
        where = f"{table.name}, column {column!r}"
        values, names[name], problems = (
            _numbers(table.values[column], where, given)
            if separator is None
            else _multi_hot(table.values[column], where, given, separator)
        )
        made.columns[name] = values
        made.problems |= {
            row: f"{column}: {why}" if several else why for row, why in problems.items()
        }
    if label is not None:
        made.classes = names if several else names[LABELS]
    columns = target_columns(target)
    if columns:
        measured = np.stack(
            [_measured(table.values[column], column, made.problems) for column in columns], axis=1
        )
        made.columns[TARGETS] = measured[:, 0] if isinstance(target, str) else measured
    roles = tuple(made.columns)
    if isinstance(label, Mapping):
        made.roles = {name: name for name in roles}
    else:
        made.roles = roles if several or len(roles) > 1 else (roles[0] if roles else None)
    return made


def add_role(roles: Structure | None, name: str) -> Structure:
    """The structure with one field more, in front."""
    if isinstance(roles, dict):
        return {name: name, **roles}
    if roles is None:
        return name
    return (name, roles) if isinstance(roles, str) else (name, *roles)


def _check(
    label: Label | None, target: str | Sequence[str] | None, separator: Any, classes: Any
) -> None:
    """Refuses arguments that do not go together."""
    if classes is not None and label is None:
        raise ValueError("`classes` needs `label`, the column of the labels.")
    if separator is not None and (label is None or not isinstance(separator, str) or not separator):
        raise ValueError(
            "`separator` must be what stands between the labels of the column `label`, such "
            f'as "|". Received: separator={separator!r}, label={label!r}'
        )
    others = _OTHERS | ({TARGETS} if target is not None else set())
    taken = sorted(others & set(label_fields(label)))
    if taken:
        raise ValueError(
            f"The label columns {taken} have names of other fields: pass a dict, such as "
            f'label={{"kind": {taken[0]!r}}}.'
        )


def _columns(argument: str, names: Any, *, key: bool) -> dict[str, str]:
    listed = list(names) if isinstance(names, Sequence) else []
    if not listed or len(set(map(str, listed))) != len(listed):
        raise TypeError(
            f"`{argument}` must be the name of a column{', a dict' if key else ''} or a list of "
            f"different ones; add what is in memory to the table first, as df.assign(a=values). "
            f"Received: a {type(names).__name__}"
        )
    return {name: name for name in listed}


def _given(classes: Any, name: str, several: bool) -> list[Any] | None:
    """The classes that the user gave for one field."""
    if classes is None:
        return None
    if not several:
        return known(classes, "classes", "classes")
    found = getattr(classes, "classes", classes)
    if not isinstance(found, Mapping) or name not in found:
        raise ValueError(
            f"`classes` must hold a list for each label, and none for {name!r}: pass a dict, or a "
            f"source or ShardIndex with the same labels. Received: classes={found!r}"
        )
    return known(found[name], "classes", f"classes[{name!r}]")


def _numbers(
    values: Sequence[Any], where: str, classes: list[Any] | None
) -> tuple[npt.NDArray[Any], list[Any], dict[int, str]]:
    labels = clean_labels(values, where)
    classes = distinct(labels) if classes is None else classes
    numbers = class_numbers(labels, classes)
    return np.asarray(numbers, np.int32), classes, label_problems(labels, numbers, classes)


def _multi_hot(
    values: Sequence[Any], where: str, classes: list[Any] | None, separator: str
) -> tuple[npt.NDArray[Any], list[Any], dict[int, str]]:
    rows = [_separated(value, separator) for value in values]
    flat = clean_labels([label for row in rows for label in row], where)
    classes = distinct(flat) if classes is None else classes
    if not classes:
        raise PackError(f"{where}: there is no label in any row.")
    numbers = class_numbers(flat, classes)
    made = np.zeros((len(rows), len(classes)), np.uint8)
    problems: dict[int, str] = {}
    done = 0
    for number, row in enumerate(rows):
        for label in row:
            if numbers[done] < 0:
                problems[number] = (
                    f"the label {label!r} is not among the classes ({shown(classes)})"
                )
            else:
                made[number, numbers[done]] = 1
            done += 1
    return made, classes, problems


def _separated(value: Any, separator: str) -> list[Any]:
    """The labels of one row; none where there is nothing."""
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [item for item in value if not is_missing(item)]
    if is_missing(value):
        return []
    return [part.strip() for part in str(value).split(separator) if part.strip()]


def _measured(
    values: Sequence[Any], column: str, problems: dict[int, str]
) -> npt.NDArray[np.float32]:
    numbers = np.zeros(len(values), np.float32)
    for row, value in enumerate(values):
        if is_missing(value):
            problems.setdefault(row, f"{column}: there is no number")
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            problems.setdefault(row, f"{column}: {value!r} is no number")
        elif abs(number) > LARGEST:
            problems.setdefault(row, f"{column}: {value!r} is too large for float32")
        else:
            numbers[row] = number
    return numbers
