"""Rows of a table, with columns of numbers: what the sources of tables and pictures share."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_int, checked_number
from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.images import Color, load_frames, load_image
from keras_bigdata.packing.sources.labels import NO_CLASS
from keras_bigdata.packing.sources.masks import load_mask
from keras_bigdata.packing.sources.split import split_rows
from keras_bigdata.shards.roles import Roles, Structure, field_names

Array = npt.NDArray[Any]

# Numbers that several label columns are combined to when rows are split.
_LABEL_KINDS = "iu"


class TableRows:
    """Rows whose fields are numbers in memory: labels, tokens, measured values.

    Args:
        columns: field name -> array with an entry a row.
        inputs, targets: the parts that the fields play, as in `Roles`.
        classes: the label that class i stands for, or a dict of such lists where several fields
            are labels. Defaults to `None`.
        vocabulary: the word that token i stands for. Defaults to `None`.
        table: what errors call the table that the rows are from. Defaults to `None`.
        lines: line of each row in it. Defaults to `None`.
        problems: row -> what keeps it from being packed. Defaults to `{}`.
    """

    # Nothing is decoded.
    thread_rows = 10_000_000

    def __init__(
        self,
        columns: Mapping[str, Array],
        *,
        inputs: Structure | None,
        targets: Structure | None,
        classes: Any = None,
        vocabulary: list[str] | None = None,
        table: str | None = None,
        lines: Sequence[int] | None = None,
        problems: Mapping[int, str] | None = None,
    ) -> None:
        self._columns = dict(columns)
        self.roles = Roles(inputs, targets)
        self.classes = classes
        self.vocabulary = vocabulary
        self._table = table
        self._lines = None if lines is None else np.asarray(lines)
        self.problems = {row: f"{self._place(row)}: {why}" for row, why in (problems or {}).items()}

    @property
    def text_length(self) -> int | None:
        """Tokens a row, or `None` without texts."""
        texts = self._columns.get("texts")
        return None if texts is None else int(texts.shape[1])

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, row: int) -> dict[str, Any]:
        if row in self.problems:
            raise PackError(self.problems[row])
        return {name: column[row] for name, column in self._columns.items()}

    def select(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Self:
        """A source of these rows only, with the same classes, vocabulary and text length."""
        part = copy.copy(self)
        part._columns = {name: column[rows] for name, column in self._columns.items()}
        part._lines = None if self._lines is None else self._lines[rows]
        part.problems = {
            new: self.problems[int(old)]
            for new, old in enumerate(rows if self.problems else ())
            if int(old) in self.problems
        }
        return part

    def split(self, fraction: float, seed: int = 0) -> tuple[Self, Self]:
        """Splits the rows in two, for training and validation.

        Every class is split in the same proportion; where there are several columns of labels,
        or several labels a row, every combination of them. Rows with the same file go to the same
        side. Both parts have the classes, the vocabulary and the text length of the whole.

        Args:
            fraction: share of the rows that the second part gets, between 0 and 1.
            seed: another seed gives another split. Defaults to `0`.

        Returns:
            `(rest, part)`, two sources.

        Example:

        ```python
        train, validation = ImageFolder("flowers", size=(128, 128)).split(0.2)
        ```
        """
        fraction, seed = checked_split(fraction, seed)
        first, second = split_rows(self._strata(), self._groups(), fraction, seed)
        return self.select(first), self.select(second)

    def fingerprint(self) -> dict[str, Any]:
        """What tells this source from others."""
        rows = hashlib.sha256()
        for name, column in self._columns.items():
            rows.update(f"{name} {column.dtype} {column.shape}".encode())
            rows.update(np.ascontiguousarray(column).tobytes())
        return {
            "kind": type(self).__name__,
            "rows": len(self),
            "rows_sha256": rows.hexdigest(),
            "roles": self.roles.to_json(),
            "classes": self.classes,
            "text_length": self.text_length,
            "vocabulary_sha256": hashlib.sha256(json.dumps(self.vocabulary).encode()).hexdigest(),
        }

    def _strata(self) -> npt.NDArray[Any]:
        """A number for each combination of labels."""
        labels = [
            self._columns[name].reshape(len(self), -1)
            for name in field_names(self.roles.targets)
            if name in self._columns and self._columns[name].dtype.kind in _LABEL_KINDS
        ]
        if not labels:
            return np.zeros(len(self), np.int64)
        combined = np.hstack(labels)
        if combined.shape[1] == 1:
            return combined[:, 0]
        return np.unique(combined, axis=0, return_inverse=True)[1].reshape(-1)

    def _groups(self) -> Sequence[int]:
        """A number for each row; rows with the same number stay together."""
        return range(len(self))

    def _place(self, row: int) -> str:
        return f"row {row}" if self._lines is None else f"{self._table}, line {self._lines[row]}"


def label_problems(
    labels: Sequence[Any], numbers: Sequence[int], classes: Sequence[Any]
) -> dict[int, str]:
    """Rows whose label is missing or not among the classes -> what is wrong."""
    return {
        row: "there is no label"
        if labels[row] is None
        else f"the label {labels[row]!r} is not among the classes ({shown(classes)})"
        for row, number in enumerate(numbers)
        if number == NO_CLASS
    }


def shown(classes: Sequence[Any]) -> str:
    """The first few classes, for errors."""
    return ", ".join(map(repr, classes[:10])) + (", ..." if len(classes) > 10 else "")


def checked_split(fraction: Any, seed: Any) -> tuple[float, int]:
    """Checks the arguments of `split`."""
    return checked_number(fraction, "fraction", above=0, below=1), checked_int(seed, "seed", 0)


def known(value: Any, attribute: str, argument: str) -> list[Any]:
    """A list given by the user, or the one that a source or an index has."""
    found = getattr(value, attribute, value)
    if found is None or isinstance(found, str | bytes | Mapping) or not hasattr(found, "__iter__"):
        raise ValueError(
            f"`{argument}` must be a list, or a source or ShardIndex that has {attribute}. "
            f"Received: {argument}={value!r}"
        )
    items = [item.item() if hasattr(item, "item") else item for item in found]
    if len({str(item) for item in items}) != len(items) or not items:
        raise ValueError(f"`{argument}` must hold different entries. Received: {items[:10]}")
    return items


class Pictures(TableRows):
    """Rows of picture files with masks, labels, texts: the base of `ImageTable` and others.

    Makes `images` or, with `frames`, `videos`, and `masks` where they are given; the rest is as
    in `TableRows`.

    Args:
        folder: where relative file names start.
        names: the file name of each row; with `frames` the folder of each row.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grey"`.
        columns: field name -> array with an entry a row. Defaults to `{}`.
        masks: the file name of each row's mask. Defaults to `None`.
        frames: pictures taken of each folder. Defaults to `None`: the names are those of files.
        targets: the part that the columns and masks play. Defaults to `None`.
        **about: as in `TableRows`.
    """

    # Decoding and resizing leave the GIL to others most of the time: two threads pack 1.75 times,
    # two processes 1.95 times as fast as one, but processes take half a second to start.
    thread_rows = 4_000

    def __init__(
        self,
        folder: str | os.PathLike[str],
        names: Sequence[str],
        size: tuple[int, int],
        color: Color,
        *,
        columns: Mapping[str, npt.NDArray[Any]] | None = None,
        masks: Sequence[str] | None = None,
        frames: int | None = None,
        targets: Structure | None = None,
        **about: Any,
    ) -> None:
        self._folder = os.fspath(folder)
        self._names = list(names)
        self._masks = None if masks is None else list(masks)
        self.size = size
        self.color = color
        self.frames = frames
        field = "images" if frames is None else "videos"
        inputs = (field, "texts") if "texts" in (columns or {}) else field
        super().__init__(columns or {}, inputs=inputs, targets=targets, **about)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, row: int) -> dict[str, Any]:
        path = self.file(row)
        columns = super().__getitem__(row)
        try:
            if self.frames is None:
                sample: dict[str, Any] = {"images": load_image(path, self.size, self.color)}
            else:
                sample = {"videos": load_frames(path, self.frames, self.size, self.color)}
        except PackError as error:
            raise PackError(f"{self._place(row)}: {error}") from error
        if self._masks is not None:
            mask = self._path(self._masks[row])
            try:
                sample["masks"] = load_mask(mask, self.size, path)
            except PackError as error:
                raise PackError(f"{mask}, the mask of {self._place(row)}: {error}") from error
        return sample | columns

    def file(self, row: int) -> str:
        """The path of a row's picture."""
        return self._path(self._names[row])

    def select(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Self:
        """A source of these rows only, with the same classes, vocabulary and text length."""
        part = super().select(rows)
        part._names = [self._names[row] for row in rows]
        part._masks = None if self._masks is None else [self._masks[row] for row in rows]
        return part

    def fingerprint(self) -> dict[str, Any]:
        """What tells this source from others; the pictures themselves are not looked at.

        Of the folder only the name counts: pictures and shards may move together.
        """
        files = hashlib.sha256(json.dumps([self._names, self._masks]).encode())
        return {
            **super().fingerprint(),
            "folder": os.path.basename(os.path.abspath(self._folder)),
            "files_sha256": files.hexdigest(),
            "size": list(self.size),
            "color": self.color,
            "frames": self.frames,
        }

    def _groups(self) -> Sequence[int]:
        files = [os.path.normpath(name) for name in self._names]
        numbers = {file: number for number, file in enumerate(dict.fromkeys(files))}
        return [numbers[file] for file in files]

    def _path(self, name: str) -> str:
        path = os.path.join(self._folder, name)
        if "\\" in name and os.sep == "/" and not os.path.exists(path):
            # Tables that were made on Windows.
            return os.path.join(self._folder, name.replace("\\", "/"))
        return path

    def _place(self, row: int) -> str:
        line = "" if self._lines is None else f" ({self._table}, line {self._lines[row]})"
        return f"{self.file(row)}{line}"


def checked_size(size: Any) -> tuple[int, int]:
    """Checks a `(height, width)` in pixels."""
    try:
        height, width = size
    except (TypeError, ValueError):
        raise ValueError(
            f"`size` must be (height, width) in pixels, such as (128, 128). Received: size={size!r}"
        ) from None
    return checked_int(height, "size[0]", 1), checked_int(width, "size[1]", 1)
