"""What sources of picture files have in common."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.images import CHANNELS, Color, load_image
from keras_bigdata.packing.labels import NO_CLASS
from keras_bigdata.packing.shuffle import split_rows
from keras_bigdata.packing.text import Tokens
from keras_bigdata.shards.roles import Roles

Self = TypeVar("Self", bound="Pictures")


class Pictures:
    """Rows of picture files with labels and texts: the base of `ImageTable` and `ImageFolder`.

    Args:
        folder: where relative file names start.
        names: the file name of each row.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grey"`.
        labels: class number of each row. Defaults to `None`.
        classes: the label that class i stands for. Defaults to `None`.
        tokens: int32 of shape `(rows, text_length)`. Defaults to `None`.
        vocabulary: the word that token i stands for. Defaults to `None`.
        table: what errors call the table that the rows are from. Defaults to `None`.
        lines: line of each row in it. Defaults to `None`.
        problems: row -> what keeps it from being packed. Defaults to `{}`.
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
        labels: Sequence[int] | None = None,
        classes: list[Any] | None = None,
        tokens: Tokens | None = None,
        vocabulary: list[str] | None = None,
        table: str | None = None,
        lines: Sequence[int] | None = None,
        problems: Mapping[int, str] | None = None,
    ) -> None:
        self._folder = os.fspath(folder)
        self._names = list(names)
        self.size = size
        self.color = color
        self._labels = None if labels is None else np.asarray(labels, np.int32)
        self.classes = classes
        self._tokens = tokens
        self.vocabulary = vocabulary
        self._table = table
        self._lines = None if lines is None else np.asarray(lines)
        self.problems = {row: f"{self._place(row)}: {why}" for row, why in (problems or {}).items()}

    @property
    def text_length(self) -> int | None:
        """Tokens a row, or `None` without texts."""
        return None if self._tokens is None else int(self._tokens.shape[1])

    @property
    def roles(self) -> Roles:
        """Pictures, and texts where there are any, are the inputs; labels are the targets."""
        return Roles(
            inputs="images" if self._tokens is None else ("images", "texts"),
            targets=None if self._labels is None else "labels",
        )

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, row: int) -> dict[str, Any]:
        path = self.file(row)
        if row in self.problems:
            raise PackError(self.problems[row])
        try:
            sample: dict[str, Any] = {"images": load_image(path, self.size, self.color)}
        except PackError as error:
            raise PackError(f"{self._place(row)}: {error}") from error
        if self._tokens is not None:
            sample["texts"] = self._tokens[row]
        if self._labels is not None:
            sample["labels"] = self._labels[row]
        return sample

    def file(self, row: int) -> str:
        """The path of a row's picture."""
        return os.path.join(self._folder, self._names[row])

    def select(self: Self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Self:
        """A source of these rows only, with the same classes, vocabulary and text length."""
        part = copy.copy(self)
        part._names = [self._names[row] for row in rows]
        part._labels = None if self._labels is None else self._labels[rows]
        part._tokens = None if self._tokens is None else self._tokens[rows]
        part._lines = None if self._lines is None else self._lines[rows]
        part.problems = {
            new: self.problems[int(old)]
            for new, old in enumerate(rows if self.problems else ())
            if int(old) in self.problems
        }
        return part

    def split(self: Self, fraction: float, seed: int = 0) -> tuple[Self, Self]:
        """Splits the rows in two, for training and validation.

        Every class is split in the same proportion. Rows with the same file go to the same side.
        Both parts have the classes, the vocabulary and the text length of the whole.

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
        check_split(fraction, seed)
        files = [os.path.normpath(name) for name in self._names]
        numbers = {file: number for number, file in enumerate(dict.fromkeys(files))}
        strata = np.zeros(len(self), np.int32) if self._labels is None else self._labels
        first, second = split_rows(strata, [numbers[file] for file in files], fraction, seed)
        return self.select(first), self.select(second)

    def fingerprint(self) -> dict[str, Any]:
        """What tells this source from others; the pictures themselves are not looked at.

        Of the folder only the name counts: pictures and shards may move together.
        """
        rows = hashlib.sha256(json.dumps(self._names).encode())
        for column in (self._labels, self._tokens):
            rows.update(b"" if column is None else np.ascontiguousarray(column).tobytes())
        return {
            "kind": type(self).__name__,
            "folder": os.path.basename(os.path.abspath(self._folder)),
            "rows": len(self),
            "rows_sha256": rows.hexdigest(),
            "size": list(self.size),
            "color": self.color,
            "classes": self.classes,
            "text_length": self.text_length,
            "vocabulary_sha256": hashlib.sha256(json.dumps(self.vocabulary).encode()).hexdigest(),
        }

    def _place(self, row: int) -> str:
        line = "" if self._lines is None else f" ({self._table}, line {self._lines[row]})"
        return f"{self.file(row)}{line}"


def label_problems(
    labels: Sequence[Any], numbers: Sequence[int], classes: Sequence[Any]
) -> dict[int, str]:
    """Rows whose label is missing or not among the classes -> what is wrong."""
    shown = ", ".join(map(repr, classes[:10])) + (", ..." if len(classes) > 10 else "")
    return {
        row: "there is no label"
        if labels[row] is None
        else f"the label {labels[row]!r} is not among the classes ({shown})"
        for row, number in enumerate(numbers)
        if number == NO_CLASS
    }


def check_pictures(size: Any, color: Any) -> tuple[int, int]:
    """The size as two integers; bad arguments are refused."""
    if color not in CHANNELS:
        raise ValueError(f'`color` must be "rgb" or "grey". Received: color={color!r}')
    try:
        height, width = (int(edge) for edge in size if edge == int(edge) and edge > 0)
    except (TypeError, ValueError):
        raise ValueError(
            f"`size` must be (height, width) in pixels, such as (128, 128). Received: size={size!r}"
        ) from None
    return height, width


def check_split(fraction: Any, seed: Any) -> None:
    """Refuses bad arguments of `split`."""
    if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
        raise ValueError(f"`fraction` must be between 0 and 1. Received: fraction={fraction!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"`seed` must be an integer, 0 or more. Received: seed={seed!r}")


def known(value: Any, attribute: str, argument: str) -> list[Any]:
    """A list given by the user, or the one that a source or an index has."""
    found = getattr(value, attribute, value)
    if found is None or isinstance(found, str | bytes) or not hasattr(found, "__iter__"):
        raise ValueError(
            f"`{argument}` must be a list, or a source or ShardIndex that has {attribute}. "
            f"Received: {argument}={value!r}"
        )
    items = [item.item() if hasattr(item, "item") else item for item in found]
    if len({str(item) for item in items}) != len(items) or not items:
        raise ValueError(f"`{argument}` must hold different entries. Received: {items[:10]}")
    return items
