"""Rows whose fields are numbers in memory: the base of the table sources."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_row
from keras_bigdata.errors import PackError
from keras_bigdata.packing.samples.stored_form import StoredForm
from keras_bigdata.packing.sources.any_length import (
    Column,
    forms_of_columns,
    row_shape,
    select_rows,
)
from keras_bigdata.packing.sources.base import RowShape, Source
from keras_bigdata.packing.sources.tables.problems import Problems
from keras_bigdata.packing.sources.tables.row_weights import RowWeights, check_weight_fields
from keras_bigdata.packing.sources.texts.text_length import VARIABLE, RowLength
from keras_bigdata.packing.sources.texts.tokens import describe_empty_texts
from keras_bigdata.permutation import Rows
from keras_bigdata.representation import format_count
from keras_bigdata.shards.fields.metadata_columns import check_kept_names
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.fields.roles import Roles, Structure, field_names

Array = npt.NDArray[Any]

# The kinds of dtype of columns that hold labels: `split` keeps their combinations in proportion.
_LABEL_KINDS = "iu"


class TableRows(Source):
    """Rows whose fields are numbers in memory: labels, tokens, measured values.

    Args:
        columns: Field name -> array with one entry per row, or `Ragged`.
        inputs, targets: The roles of the fields, as in `Roles`.
        texts: The columns of token ids. Defaults to `()`.
        weights: The sample weights, which are added to the columns. Defaults to `None`.
        classes: The label that class i stands for, as a list; or, if several fields are labels,
            field -> such a list. Defaults to `None`.
        vocabulary: The word that token i stands for. Defaults to `None`.
        table: The name of the table that the rows come from, for error messages. Defaults to
            `None`.
        lines: The line of each row in that table. Defaults to `None`.
        problems: Row -> column -> reason why the row cannot be packed. Defaults to `{}`.
        notes: The notes that `pack` prints about the source. Defaults to `()`.
        kept: Metadata columns: name -> array of numbers or texts. Defaults to `{}`.
        left_out: The labels whose rows are left out. Defaults to `()`.
    """

    # Nothing is decoded: starting processes would take longer than the work.
    thread_rows = 10_000_000

    def __init__(
        self,
        columns: Mapping[str, Column],
        *,
        inputs: Structure | None,
        targets: Structure | None,
        texts: Iterable[str] = (),
        weights: RowWeights | None = None,
        classes: Any = None,
        vocabulary: list[str] | None = None,
        table: str | None = None,
        lines: Sequence[int] | None = None,
        problems: Problems | None = None,
        notes: Sequence[str] = (),
        kept: Mapping[str, Array] = MappingProxyType({}),
        left_out: Collection[Any] = (),
    ) -> None:
        self._columns: dict[str, Column] = dict(columns)
        check_kept_names(kept)
        self._kept = dict(kept)
        check_weight_fields(weights, columns)
        self._weights = weights
        self._texts = tuple(texts)
        self.roles = Roles(inputs, targets, None if weights is None else weights.structure)
        self.classes = classes
        self.vocabulary = vocabulary
        self._table = table
        self._lines = None if lines is None else np.asarray(lines)
        self._notes = list(notes)
        self._left_out = len(left_out)
        problems = problems or {}
        self.problems = {
            row: f"{self._row_location(row)}: {'; '.join(reasons.values())}"
            for row, reasons in problems.items()
        }
        self._problem_columns = {row: tuple(reasons) for row, reasons in problems.items()}
        self._weigh_rows()

    @property
    def text_length(self) -> RowLength | dict[str, RowLength] | None:
        """Tokens per row, or `"variable"`.

        Field -> such a value with several columns of texts; `None` without texts.
        """
        lengths = {name: _length_of(self._columns[name]) for name in self._texts}
        return lengths if len(lengths) > 1 else next(iter(lengths.values()), None)

    @property
    def stored_forms(self) -> Mapping[str, StoredForm]:
        """How `pack` stores the fields that are not arrays of equal rows: those of any length."""
        return forms_of_columns(self._columns)

    @property
    def text_fields(self) -> tuple[str, ...]:
        """The fields of token ids, which `pack(append=True)` renumbers."""
        return self._texts

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, row: int) -> dict[str, Any]:
        row = checked_row(row, len(self))
        if row in self.problems:
            raise PackError(self.problems[row])
        return {name: column[row] for name, column in self._columns.items()}

    def row_columns(self, rows: Rows) -> dict[str, Any]:
        """Returns the metadata columns of some rows: those that are kept."""
        return {name: column[rows] for name, column in self._kept.items()}

    def packing_notes(self) -> list[str]:
        """Returns the notes that `pack` prints: changes, rows left out, texts without a word."""
        notes = [*super().packing_notes(), *self._notes]
        if self._weights is not None:
            notes += self._weights.notes(self._usable_rows())
        for name in self._texts:
            found = describe_empty_texts(self._columns[name])
            notes += found if len(self._texts) == 1 else [f"{name}: {note}" for note in found]
        return notes

    def _keep_rows(self, rows: Rows) -> None:
        self._columns = {name: select_rows(column, rows) for name, column in self._columns.items()}
        self._kept = {name: column[rows] for name, column in self._kept.items()}
        self._lines = None if self._lines is None else self._lines[rows]
        self._weights = None if self._weights is None else self._weights.select(rows)
        self._weigh_rows()

    def _weigh_rows(self) -> None:
        """Computes the sample weights of the rows that the source has now."""
        if self._weights is not None:
            self._columns |= self._weights.fields(self._usable_rows())

    def _usable_rows(self) -> npt.NDArray[np.bool_]:
        """Returns the rows that can be packed, as far as that is known."""
        usable = np.ones(len(self), np.bool_)
        usable[list(self.problems)] = False
        return usable

    def fingerprint(self) -> dict[str, Any]:
        """Returns a JSON dict that differs between sources with different rows."""
        rows = hashlib.sha256()
        for name, column in self._columns.items():
            for part in _arrays_of(column):
                rows.update(f"{name} {part.dtype} {part.shape}".encode())
                rows.update(np.ascontiguousarray(part).tobytes())
        # Sources that keep nothing have the fingerprint that earlier releases recorded.
        for name, column in self._kept.items():
            # In a selection the dtype of the texts may have another width; the texts are the same.
            is_text = column.dtype.kind in "UO"
            content = json.dumps(column.tolist()) if is_text else column.tobytes().hex()
            kind = "U" if is_text else column.dtype.kind
            rows.update(f"kept {name} {kind} {content}".encode())
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
        targets = [self._columns.get(name) for name in field_names(self.roles.targets)]
        labels = [
            column.reshape(len(self), -1)
            for column in targets
            if isinstance(column, np.ndarray) and column.dtype.kind in _LABEL_KINDS
        ]
        if not labels:
            return np.zeros(len(self), np.int64)
        combined = np.hstack(labels)
        if combined.shape[1] == 1:
            return combined[:, 0]
        return np.unique(combined, axis=0, return_inverse=True)[1].reshape(-1)

    def _group_values(self, name: str) -> npt.NDArray[Any]:
        columns = self._columns | self._kept
        if name not in columns:
            raise self._no_column(name, columns)
        values = columns[name]
        if isinstance(values, Ragged):
            raise ValueError(
                f"{type(self).__name__}: `groups` and `stratify` need one value per row, and "
                f"{name!r} has rows of any length. Keep a column of the table with `keep`, or pass "
                "an array with one value per row as `groups`."
            )
        return values

    def _count_classes(self) -> Iterator[str]:
        yield from super()._count_classes()
        if self._left_out:
            yield f"{format_count(self._left_out, 'label')} left out"

    def _location(self) -> str | None:
        return None if self._lines is None else self._table

    def _row_shapes(self) -> dict[str, RowShape]:
        return {name: row_shape(column) for name, column in self._columns.items()}

    def _row_location(self, row: int) -> str:
        return f"row {row}" if self._lines is None else f"{self._table}, line {self._lines[row]}"


def _arrays_of(column: Column) -> tuple[Array, ...]:
    """Returns the arrays that a column consists of."""
    return (column.offsets, column.values) if isinstance(column, Ragged) else (column,)


def _length_of(column: Column) -> RowLength:
    return VARIABLE if isinstance(column, Ragged) else int(column.shape[1])
