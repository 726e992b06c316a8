"""A source for `pack` of the datasets of an HDF5 file."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_row
from keras_bigdata.errors import PackError
from keras_bigdata.packing.samples.stored_form import StoredForm
from keras_bigdata.packing.sources.base import RowShape, Source
from keras_bigdata.packing.sources.default_roles import default_roles
from keras_bigdata.packing.sources.hdf5_files.hdf5_columns import (
    HDF5Texts,
    check_numbers,
    describe_ragged_target,
    read_labels,
)
from keras_bigdata.packing.sources.hdf5_files.hdf5_file import HDF5File
from keras_bigdata.packing.sources.hdf5_files.hdf5_vlen import parts_of
from keras_bigdata.packing.sources.tables.labels import (
    NO_CLASS,
    class_numbers,
    label_problem,
    resolve_classes,
    sort_classes,
)
from keras_bigdata.packing.sources.texts.tokens import (
    Tokens,
    check_without_texts,
    choose_vocabulary_and_length,
    describe_empty_texts,
    describe_long_texts,
    encode,
)
from keras_bigdata.permutation import Rows
from keras_bigdata.shards.fields.field_rows import check_weight_roles
from keras_bigdata.shards.fields.roles import field_names
from keras_bigdata.shards.fields.standard_fields import IMAGES, LABELS, TEXTS
from keras_bigdata.shards.selecting.label_numbers import BLOCK_BYTES, combine_labels, number_labels

Array = npt.NDArray[Any]

# Rows that are requested one after the other are read this many bytes ahead, in the order of the
# file: for the shuffled rows of a shard, each compressed chunk is then read once, not once per row.
READ_AHEAD_BYTES = 64 * 1024**2
# Below this size, starting processes takes longer than the work. Above it processes are faster
# than threads, because the HDF5 library lets one thread at a time read and decompress.
THREAD_BYTES = 256 * 1024**2

_FINGERPRINT_ROWS = 64


class HDF5Table(Source):
    """Datasets of an HDF5 file, row by row: images or other arrays, labels, texts.

    The fields are

    - `images` (as stored, `(rows, ...)`), an input,
    - `texts` (int32 token ids, `(rows, text_length)`, 0 is padding, 1 an unknown word), an input,
    - `labels` (int32 class numbers, `(rows,)`), the target,
    - those of `columns` (as stored), inputs,

    unless other roles are passed.

    Labels and texts are read once, in parts, by the constructor: the class numbers and the tokens
    stay in memory. The other datasets are read when rows are requested, by whole chunks of the
    file and at most 64 MiB of rows ahead. The file is opened once by each process, and closed with
    the last source that reads it. Worker processes open it by its absolute path.

    Labels may be whole numbers, booleans or strings, of shape `(rows,)` or `(rows, 1)`. Those of
    several columns, such as one-hot labels, are packed as stored, without classes.

    Datasets of variable-length arrays of numbers (`h5py.vlen_dtype`) are packed as rows of any
    length, which are padded with 0 in a batch. They may be inputs; as targets, those of
    floating-point numbers.

    Args:
        path: The HDF5 file.
        image: The dataset of the images or other inputs, numbers of any shape and dtype. Groups
            are separated by `/`, as in `"train/x"`. Defaults to `"x"`.
        label: The dataset of the labels, or `None`. Defaults to `"y"`.
        text: The dataset of texts. Defaults to `None`.
        columns: More datasets of numbers: a list, whose fields are named after the last part of
            the names of the datasets, or a dict of field -> dataset. Defaults to `()`.
        inputs, targets, sample_weights: The roles, as in `Arrays`. Default to `None`.
        text_length: Tokens per row, an integer; `"variable"` is not supported. Defaults to `None`,
            as in `ImageTable`.
        max_tokens, classes, vocabulary: As in `ImageTable`. Default to `None`.

    Raises:
        PackError: If the file cannot be read, if a dataset does not exist or does not hold what
            its argument needs, if the datasets differ in their number of rows, or if the labels
            are numbers with fractions. The message names the file, the dataset and the datasets
            of the file.
        ValueError: If an argument has a value that is not allowed, or if arguments do not go
            together.
        TypeError: If an argument is not the name of a dataset, or if it has another type that is
            not allowed.

    Example:

    ```python
    source = HDF5Table("photos.h5", image="train/x", label="train/y")
    train, validation = source.split(0.2)
    pack(train, "shards/train")
    pack(validation, "shards/validation")
    ages = HDF5Table("photos.h5", label=None, columns=["age"], targets="age")
    ```
    """

    # Rows that were read ahead: the first row and the arrays; and the row that continues a
    # sequential read.
    _block: tuple[int, dict[str, Array]]
    _next_row: int
    _row_bytes: int

    def __init__(
        self,
        path: str | os.PathLike[str],
        image: str = "x",
        label: str | None = "y",
        text: str | None = None,
        *,
        columns: Sequence[str] | Mapping[str, str] = (),
        inputs: Any = None,
        targets: Any = None,
        sample_weights: Any = None,
        text_length: int | None = None,
        max_tokens: int | None = None,
        classes: Any = None,
        vocabulary: Any = None,
    ) -> None:
        if classes is not None and label is None:
            raise ValueError("`classes` needs `label`, the dataset of the labels.")
        if text is None:
            check_without_texts(
                vocabulary=vocabulary, text_length=text_length, max_tokens=max_tokens
            )
        self._datasets = {IMAGES: image} | _column_fields(columns)
        used = self._datasets | {
            field: name for field, name in ((LABELS, label), (TEXTS, text)) if name is not None
        }
        for field, name in used.items():
            if not isinstance(name, str) or not name:
                raise TypeError(
                    f"The field {field!r} must be read from a dataset, given by its name. "
                    f"Received: {name!r}"
                )
        self._file = HDF5File(path, used.values())
        self._positions: Rows = np.arange(self._file.rows, dtype=np.int64)

        self.classes: list[Any] | None = None
        self._labels: npt.NDArray[np.int32] | None = None
        if label is not None and math.prod(self._file.shapes[label][1:]) != 1:
            if classes is not None:
                raise ValueError(
                    "`classes` needs labels of one column; "
                    f"{self._file.describe(label)} has several."
                )
            self._datasets[LABELS] = label
        elif label is not None:
            self._read_labels(label, classes)
        self.vocabulary: list[str] | None = None
        self._tokens: Tokens | None = None
        self._notes: list[str] = []
        if text is not None:
            texts = HDF5Texts(self._file, text)
            self.vocabulary, length = choose_vocabulary_and_length(
                texts, vocabulary, text_length, max_tokens
            )
            self._tokens = encode(texts, self.vocabulary, length)
            self._notes = describe_long_texts(self._tokens, text_length, vocabulary)
        for name in self._datasets.values():
            check_numbers(self._file, name)
        order = (IMAGES, TEXTS, LABELS, *self._datasets)
        self.roles = default_roles(
            [field for field in dict.fromkeys(order) if field in used],
            inputs,
            targets,
            sample_weights,
        )
        self._ragged = {
            field: self._file.ragged[name]
            for field, name in self._datasets.items()
            if name in self._file.ragged
        }
        check_weight_roles(self.roles, self._ragged)
        for field in field_names(self.roles.targets):
            if field in self._ragged and self._ragged[field].kind in "iub":
                raise PackError(describe_ragged_target(self._file, self._datasets[field]))
        self._reset_read_ahead()

    @property
    def class_field(self) -> str:
        """The field that `classes` belong to."""
        return LABELS

    @property
    def text_length(self) -> int | None:
        """Tokens per row, or `None` without texts."""
        return None if self._tokens is None else int(self._tokens.shape[1])

    @property
    def stored_forms(self) -> Mapping[str, StoredForm]:
        """How `pack` stores the datasets whose rows have any length."""
        return {
            field: StoredForm(row_bytes=self._file.row_bytes(self._datasets[field]))
            for field in self._ragged
        }

    @property
    def thread_rows(self) -> int:
        """Maximum number of rows that are packed in threads."""
        return THREAD_BYTES // self._row_bytes

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, row: int) -> dict[str, Any]:
        row = checked_row(row, len(self))
        if row in self.problems:
            raise PackError(self.problems[row])
        first, arrays = self._block
        if not first <= row < first + len(arrays[IMAGES]):
            # Read ahead only if the rows are requested one after the other.
            sequential = row == self._next_row
            stop = row + (max(1, READ_AHEAD_BYTES // self._row_bytes) if sequential else 1)
            self._next_row = row + 1
            first, arrays = self._block = row, self._read(row, stop)
        self._next_row = row + 1
        sample: dict[str, Any] = {
            field: np.array(array[row - first], self._ragged.get(field))
            for field, array in arrays.items()
        }
        if self._tokens is not None:
            sample[TEXTS] = self._tokens[row]
        if self._labels is not None:
            sample[LABELS] = self._labels[row]
        return sample

    def file(self, row: int) -> str:
        """Returns the path of the HDF5 file, which is the same for every row."""
        return self._file.path

    def packing_notes(self) -> list[str]:
        """Returns the notes that `pack` prints: texts that are cut, and texts without a word."""
        notes = [*super().packing_notes(), *self._notes]
        return notes if self._tokens is None else notes + describe_empty_texts(self._tokens)

    def source_files(self) -> Iterable[str]:
        """Returns the path of the HDF5 file."""
        return [self._file.path]

    @property
    def text_fields(self) -> tuple[str, ...]:
        """The fields of token ids. Other datasets of integers do not hold words."""
        return (TEXTS,)

    def fingerprint(self) -> dict[str, Any]:
        """Returns a JSON dict that differs between sources with different rows.

        Labels and tokens are compared, and 64 rows of the other datasets. Only the name of the
        file counts, not its folder, because file and shards may be moved together.
        """
        sampled_rows = np.unique(np.linspace(0, len(self) - 1, _FINGERPRINT_ROWS).astype(np.int64))
        sample = hashlib.sha256(self._positions.tobytes())
        columns: list[Array | None] = [self._labels, self._tokens]
        # `pack` reports damaged rows itself.
        with contextlib.suppress(PackError):
            for read in self._read_fields(self._positions[sampled_rows]).values():
                columns += parts_of(read)
        for column in columns:
            sample.update(b"" if column is None else np.ascontiguousarray(column).tobytes())
        return {
            "kind": type(self).__name__,
            "file": os.path.basename(self._file.path),
            "bytes": self._file.version.size,
            "rows": len(self),
            "datasets": {
                field: self._file.identify(name) for field, name in self._datasets.items()
            },
            "rows_sha256": sample.hexdigest(),
            "classes": self.classes,
            "text_length": self.text_length,
            "vocabulary": self.vocabulary,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_block": None, "_next_row": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset_read_ahead()

    def _keep_rows(self, rows: Rows) -> None:
        self._labels = None if self._labels is None else self._labels[rows]
        self._tokens = None if self._tokens is None else self._tokens[rows]
        self._reset_read_ahead()

    def _strata(self) -> npt.NDArray[Any]:
        if self._labels is not None:
            return self._labels
        targets = [
            self._datasets[field]
            for field in field_names(self.roles.targets)
            if field not in self._ragged
        ]
        numbers = [number_labels(self._blocks(name), len(self)) for name in targets]
        return combine_labels(numbers, len(self))

    def _group_values(self, name: str) -> npt.NDArray[Any]:
        if name == LABELS and self._labels is not None:
            return self._labels
        if name not in self._datasets:
            raise self._no_column(name, self._datasets)
        if name in self._ragged:
            raise self._ragged_column(name)
        return np.concatenate(list(self._blocks(self._datasets[name])))

    def _blocks(self, name: str) -> Iterator[Array]:
        """Yields the selected rows of a dataset in parts."""
        step = max(1, BLOCK_BYTES // max(1, self._file.row_bytes(name)))
        for start in range(0, len(self), step):
            yield self._file.read(name, self._positions[start : start + step])

    def _reset_read_ahead(self) -> None:
        """Drops the rows that were read ahead."""
        self._block = (0, {IMAGES: np.empty(0)})
        self._next_row = -1
        self._row_bytes = max(1, sum(map(self._file.row_bytes, self._datasets.values())))

    def _read(self, row: int, stop: int) -> dict[str, Array]:
        """Reads rows from `row` to before `stop`; only `row` if another one cannot be read."""
        try:
            return self._read_fields(self._positions[row:stop])
        except PackError:
            if stop == row + 1:
                raise
            return self._read_fields(self._positions[row : row + 1])

    def _read_fields(self, rows: npt.NDArray[np.int64]) -> dict[str, Array]:
        return {field: self._file.read(name, rows) for field, name in self._datasets.items()}

    def _read_labels(self, name: str, classes: Any) -> None:
        """Sets the class numbers, the classes and the problems from a dataset of labels."""
        known = None if classes is None else resolve_classes(classes)
        labels, codes = read_labels(self._file, name, known)
        self.classes = sort_classes(labels) if known is None else known
        numbers = np.asarray(class_numbers(labels, self.classes), np.int32)
        self._labels = numbers[codes]
        where = f"{self._file.path}, dataset {name!r}"
        self.problems = {
            row: f"{where}, row {row}: {label_problem(labels[codes[row]], self.classes)}"
            for row in np.flatnonzero(self._labels == NO_CLASS).tolist()
        }
        self._problem_columns = dict.fromkeys(self.problems, (name,))

    def _location(self) -> str | None:
        return self._file.path

    def _row_shapes(self) -> dict[str, RowShape]:
        shapes: dict[str, RowShape] = {
            field: (None,) if field in self._ragged else self._file.shapes[name][1:]
            for field, name in self._datasets.items()
        }
        if self._tokens is not None:
            shapes[TEXTS] = self._tokens.shape[1:]
        if self._labels is not None:
            shapes[LABELS] = self._labels.shape[1:]
        return shapes


def _column_fields(columns: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Returns field name -> dataset, for each form of the argument `columns`."""
    if isinstance(columns, str):
        raise TypeError(f"`columns` must be a list or a dict. Received: columns={columns!r}")
    fields = dict(columns) if isinstance(columns, Mapping) else {}
    for name in () if fields else columns:
        field = str(name).rpartition("/")[2]
        if field in fields:
            raise ValueError(
                f"`columns` has two datasets for the field {field!r}; pass a dict of field -> "
                f"dataset. Received: columns={columns!r}"
            )
        fields[field] = name
    for field in (IMAGES, LABELS, TEXTS):
        if field in fields:
            raise ValueError(
                f"`columns` must not name the field {field!r}, which another argument defines. "
                f"Received: columns={columns!r}"
            )
    return fields
