"""The strata and the groups of rows, by which they are divided into parts."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_names
from keras_bigdata.shards.fields.class_numbers import MAX_COUNTED_CLASSES
from keras_bigdata.shards.fields.metadata_columns import FILE, SOURCE
from keras_bigdata.shards.selecting.group_numbers import (
    join_groups,
    number_given_groups,
    number_groups,
)
from keras_bigdata.shards.selecting.label_numbers import combine_labels, number_labels

Integers = npt.NDArray[np.integer[Any]]
# Column -> its values, in parts.
Blocks = Callable[[str], Iterator[npt.NDArray[Any]]]

# The value of `stratify` that stands for the classes of the data.
AUTO = "auto"


def number_strata(
    stratify: str | Iterable[str] | None,
    automatic: Sequence[str],
    blocks: Blocks,
    rows: int,
) -> Integers:
    """Returns an integer for each row, from 0, the same for the same combination of labels.

    Args:
        stratify: name or names of columns; `"auto"` for `automatic`; `None` for one stratum.
        automatic: the columns that `"auto"` stands for.
        blocks: returns the values of a column in parts.
        rows: number of rows.

    Raises:
        TypeError: if `stratify` is something else.
        ValueError: if a column does not hold labels, or there are more than 10,000 different ones.
    """
    if stratify is None:
        return np.zeros(rows, np.uint16)
    names = automatic if stratify == AUTO else checked_names(stratify, "stratify")
    columns: list[Integers | None] = []
    for name in names:
        try:
            numbers: Integers | None = number_labels(blocks(name), rows)
        except ValueError as error:
            raise ValueError(f"`stratify`: the column {name!r} {error}.") from error
        if numbers is None and stratify != AUTO:
            numbers = _number_texts(name, blocks, rows)
        columns.append(numbers)
    combined = combine_labels(columns, rows)
    if len(columns) > 1:
        count = int(combined.max(initial=0)) + 1
        if count > MAX_COUNTED_CLASSES:
            raise ValueError(
                f"`stratify` has {count:,} different combinations of labels, more than "
                f"{MAX_COUNTED_CLASSES:,}. Name fewer columns. Received: stratify={tuple(names)}"
            )
    return combined.astype(np.uint16, copy=False)


def number_column_groups(
    groups: Any, blocks: Blocks, rows: int, *, has_files: bool = False
) -> Integers | None:
    """Returns the group number of each row, from 0; `None` if each row is its own group.

    Args:
        groups: name of a column; or an array-like with one value per row; or `None`.
        blocks: returns the values of a column in parts.
        rows: number of rows.
        has_files: whether there is a column `file`, whose rows of one file are together too.
            Defaults to `False`.

    Raises:
        TypeError, ValueError: if the values do not name groups.
    """
    files = _number_files(blocks, rows) if has_files else None
    if groups is None:
        return files
    if not isinstance(groups, str):
        passed: Integers | None = number_given_groups(groups, rows)
    else:
        try:
            passed = number_groups(blocks(groups), rows)
        except ValueError as error:
            raise ValueError(f"`groups`: the column {groups!r} {error}.") from error
    return passed if files is None or passed is None else join_groups(files, passed)


def _number_files(blocks: Blocks, rows: int) -> Integers | None:
    """Returns a number for each file of the column `file`; `None` if each row has another file.

    Files of two packs are different ones: both may have a `0001.png`, in different folders.
    """
    names = (
        np.strings.add(np.strings.add(packs.astype(str), "/"), _plain_paths(files))
        for packs, files in zip(blocks(SOURCE), blocks(FILE), strict=True)
    )
    numbers = number_groups(names, rows)
    return None if numbers is None or int(numbers.max(initial=-1)) + 1 == rows else numbers


def _plain_paths(names: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns the names of files with one spelling for each, as `a.png` for `./a.png`."""
    texts = names.astype(str)
    if not ((np.strings.find(texts, "./") >= 0) | (np.strings.find(texts, "//") >= 0)).any():
        return texts
    return np.array([posixpath.normpath(name) for name in texts.tolist()])


def _number_texts(name: str, blocks: Blocks, rows: int) -> Integers:
    """Returns numbers for a column of texts.

    Raises:
        ValueError: if the column does not hold labels.
    """
    first = next(blocks(name))
    if first.dtype.kind in "US":
        numbers = number_groups(blocks(name), rows, MAX_COUNTED_CLASSES, with_empty=True)
        if numbers is not None:
            return numbers
    raise ValueError(
        f"`stratify`: the column {name!r} ({first.dtype}, row shape {first.shape[1:]}) does not "
        "hold labels: integers, booleans, texts, or rows of 0 and 1, with at most "
        f"{MAX_COUNTED_CLASSES:,} different ones. Leave it out, or divide its values into a few "
        "classes."
    )
