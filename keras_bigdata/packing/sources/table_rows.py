"""Rows whose fields are numbers in memory: the base of the table sources."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.base import Source
from keras_bigdata.packing.sources.split import split_rows
from keras_bigdata.shards.roles import Roles, Structure, field_names

Array = npt.NDArray[Any]

# The kinds of dtype of columns that hold labels: `split` keeps their combinations in proportion.
_LABEL_KINDS = "iu"


class TableRows(Source):
    """Rows whose fields are numbers in memory: labels, tokens, measured values.

    Args:
        columns: Field name -> array with one entry per row.
        inputs, targets: The roles of the fields, as in `Roles`.
        classes: The label that class i stands for, as a list; or, if several fields are labels,
            field -> such a list. Defaults to `None`.
        vocabulary: The word that token i stands for. Defaults to `None`.
        table: The name of the table that the rows come from, for error messages. Defaults to
            `None`.
        lines: The line of each row in that table. Defaults to `None`.
        problems: Row -> reason why it cannot be packed. Defaults to `{}`.
    """

    # Nothing is decoded: starting processes would take longer than the work.
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
        self.problems = {
            row: f"{self._row_location(row)}: {reason}" for row, reason in (problems or {}).items()
        }

    @property
    def text_length(self) -> int | None:
        """Tokens per row, or `None` without texts."""
        texts = self._columns.get("texts")
        return None if texts is None else int(texts.shape[1])

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, row: int) -> dict[str, Any]:
        if row in self.problems:
            raise PackError(self.problems[row])
        return {name: column[row] for name, column in self._columns.items()}

    def select(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Self:
        """Returns a source of these rows, with the same classes, vocabulary and text length.

        Args:
            rows: Row numbers, in the order in which the new source has them.

        Returns:
            A source of the same class.

        Example:

        ```python
        first_hundred = source.select(range(100))
        ```
        """
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
        """Splits the rows in two parts, for training and validation.

        Every class is split in the same proportion; with several columns of labels, or several
        labels per row, every combination of them. Rows with the same file go to the same part.
        Both parts keep the classes, the vocabulary and the text length.

        Args:
            fraction: Share of the rows that the second part receives, between 0 and 1.
            seed: Integer of at least 0; another seed results in another split. Defaults to `0`.

        Returns:
            Tuple `(rest, part)` of two sources.

        Raises:
            ValueError: If `fraction` or `seed` is out of range, or if there are fewer than two
                rows or files.
            TypeError: If `fraction` is not a number, or `seed` not an integer.

        Example:

        ```python
        train, validation = ImageFolder("flowers", size=(128, 128)).split(0.2)
        ```
        """
        first, second = split_rows(self._strata(), self._groups(), fraction, seed)
        return self.select(first), self.select(second)

    def fingerprint(self) -> dict[str, Any]:
        """Returns a JSON dict that differs between sources with different rows."""
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
        """Returns an integer for each row that is the same for the same combination of labels."""
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
        """Returns an integer for each row; rows with the same one are not separated."""
        return range(len(self))

    def _location(self) -> str | None:
        return None if self._lines is None else self._table

    def _row_shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: column.shape[1:] for name, column in self._columns.items()}

    def _row_location(self, row: int) -> str:
        return f"row {row}" if self._lines is None else f"{self._table}, line {self._lines[row]}"
