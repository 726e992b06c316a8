"""A source for `pack` of the datasets of an HDF5 file."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.arrays import default_roles
from keras_bigdata.packing.sources.base import checked_split, known, label_problems
from keras_bigdata.packing.sources.hdf5_file import HDF5File, Texts, read_labels
from keras_bigdata.packing.sources.labels import NO_CLASS, class_numbers, distinct
from keras_bigdata.packing.sources.split import split_rows
from keras_bigdata.packing.sources.tokens import Tokens, choose_vocabulary, encode

Array = npt.NDArray[Any]

# Rows that are asked for one after the other are read by so many bytes at once, in the order of
# the file: shuffled rows of a shard then take each compressed chunk once, not once a row.
AHEAD_BYTES = 64 * 1024**2
# Below it starting processes takes longer than the work; above it they matter, because the HDF5
# library lets only one thread at a time read and decompress.
THREAD_BYTES = 256 * 1024**2

_FINGERPRINT_ROWS = 64


class HDF5Table:
    """Datasets of an HDF5 file, row by row: pictures or other arrays, labels, texts.

    Makes the fields `images` (as stored, `(rows, ...)`), `labels` (int32 class numbers,
    `(rows,)`), `texts` (int32 token ids, `(rows, text_length)`, 0 is padding, 1 an unknown word)
    and those of `columns` (as stored); `images` and `texts` are the inputs, `labels` the targets
    and the others inputs too, unless the roles are given.

    Labels and texts are read once, in parts; of the labels the class numbers stay in memory, of
    the texts the tokens. All else is read when it is asked for, by whole chunks of the file and at
    most 64 MiB of rows ahead. The file is opened once by each process, and closed with the last
    source that reads it. Workers open it by its absolute path.

    Labels may be whole numbers, booleans or strings of one column, `(rows,)` or `(rows, 1)`;
    several columns, such as one-hot labels, are taken as they are, without classes.

    Args:
        path: the HDF5 file.
        image: dataset of the pictures or other inputs, numbers of any shape and dtype. Groups
            are separated by `/`, as in `"train/x"`. Defaults to `"x"`.
        label: dataset of the labels, or `None`. Defaults to `"y"`.
        text: dataset of texts. Defaults to `None`.
        columns: more datasets of numbers: a list, whose fields are called as the last part of
            their names, or a dict of field -> dataset. Defaults to `()`.
        inputs, targets, sample_weights: the roles, as `Arrays` takes them. Default to `None`.
        text_length, max_tokens, classes, vocabulary: as for `ImageTable`.

    Raises:
        PackError: if the file cannot be read, has no such dataset, if the datasets differ in
            their rows or hold something else, or if the labels are numbers with fractions. It
            names the file, the dataset and the datasets that there are.
        ValueError, TypeError: if an argument makes no sense.

    Example:

    ```python
    source = HDF5Table("photos.h5", image="train/x", label="train/y")
    train, validation = source.split(0.2)
    pack(train, "shards/train")
    pack(validation, "shards/validation")
    ages = HDF5Table("photos.h5", label=None, columns=["age"], targets="age")
    ```
    """

    _block: tuple[int, dict[str, Array]]
    _next: int
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
        max_tokens: int = 20_000,
        classes: Any = None,
        vocabulary: Any = None,
    ) -> None:
        if classes is not None and label is None:
            raise ValueError("`classes` needs `label`, the dataset of the labels.")
        if vocabulary is not None and text is None:
            raise ValueError("`vocabulary` needs `text`, the dataset of the texts.")
        self._datasets = {"images": image} | _named(columns)
        used = self._datasets | {
            field: name for field, name in (("labels", label), ("texts", text)) if name is not None
        }
        for field, name in used.items():
            if not isinstance(name, str) or not name:
                raise TypeError(f"{field!r} must be the name of a dataset. Received: {name!r}")
        self._file = HDF5File(path, used.values())
        self._rows = np.arange(self._file.rows, dtype=np.int64)

        self.classes: list[Any] | None = None
        self.problems: dict[int, str] = {}
        self._labels: npt.NDArray[np.int32] | None = None
        if label is not None and self._several(label):
            if classes is not None:
                raise ValueError(
                    f"`classes` needs labels of one column; {self._file.about(label)} has several."
                )
            self._datasets["labels"] = label
        elif label is not None:
            self._take_labels(label, classes)
        self.vocabulary: list[str] | None = None
        self._tokens: Tokens | None = None
        if text is not None:
            texts = Texts(self._file, text)
            self.vocabulary, length = choose_vocabulary(texts, vocabulary, text_length, max_tokens)
            self._tokens = encode(texts, self.vocabulary, length)
        for name in self._datasets.values():
            dtype = self._file.dtypes[name]
            if dtype.hasobject or dtype.kind not in "biufc":
                raise PackError(
                    f"{self._file.about(name)} holds {dtype}, not numbers. Strings are taken as "
                    f"`label` or `text`. The datasets are: {self._file.listed()}"
                )
        order = ("images", "texts", "labels", *self._datasets)
        self.roles = default_roles(
            [field for field in dict.fromkeys(order) if field in used],
            inputs,
            targets,
            sample_weights,
        )
        self._forget()

    @property
    def text_length(self) -> int | None:
        """Tokens a row, or `None` without texts."""
        return None if self._tokens is None else int(self._tokens.shape[1])

    @property
    def thread_rows(self) -> int:
        """Up to how many rows are packed in threads."""
        return THREAD_BYTES // self._row_bytes

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        if not -len(self) <= row < len(self):
            raise IndexError(f"There are {len(self)} rows. Received: row {row}")
        row %= len(self)
        if row in self.problems:
            raise PackError(self.problems[row])
        first, arrays = self._block
        if not first <= row < first + len(arrays["images"]):
            # Only who reads on is read ahead for.
            stop = row + max(1, AHEAD_BYTES // self._row_bytes) if row == self._next else row + 1
            self._next = row + 1
            first, arrays = self._block = row, self._read(row, stop)
        self._next = row + 1
        sample: dict[str, Any] = {
            field: np.array(array[row - first]) for field, array in arrays.items()
        }
        if self._tokens is not None:
            sample["texts"] = self._tokens[row]
        if self._labels is not None:
            sample["labels"] = self._labels[row]
        return sample

    def file(self, row: int) -> str:
        """The path of the HDF5 file, whatever the row."""
        return self._file.path

    def select(self, rows: npt.ArrayLike) -> HDF5Table:
        """A source of these rows only, with the same classes, vocabulary and text length."""
        chosen = np.asarray(rows, np.int64)
        part = copy.copy(self)
        part._rows = self._rows[chosen]
        part._labels = None if self._labels is None else self._labels[chosen]
        part._tokens = None if self._tokens is None else self._tokens[chosen]
        part.problems = {
            new: self.problems[old]
            for new, old in enumerate(chosen.tolist() if self.problems else ())
            if old in self.problems
        }
        part._forget()
        return part

    def split(self, fraction: float, seed: int = 0) -> tuple[HDF5Table, HDF5Table]:
        """Splits the rows in two, for training and validation.

        Every class is split in the same proportion.

        Args:
            fraction: share of the rows that the second part gets, between 0 and 1.
            seed: another seed gives another split. Defaults to `0`.

        Returns:
            `(rest, part)`, two sources that read the same file.

        Example:

        ```python
        train, validation = HDF5Table("photos.h5").split(0.2)
        ```
        """
        fraction, seed = checked_split(fraction, seed)
        strata = np.zeros(len(self), np.int32) if self._labels is None else self._labels
        first, second = split_rows(strata, np.arange(len(self)), fraction, seed)
        return self.select(first), self.select(second)

    def fingerprint(self) -> dict[str, Any]:
        """What tells this source from others: labels, tokens, and 64 rows of the other datasets.

        Of the path only the file's name counts: it may move together with the shards.
        """
        seen = np.unique(np.linspace(0, len(self) - 1, _FINGERPRINT_ROWS).astype(np.int64))
        sample = hashlib.sha256(self._rows.tobytes())
        columns = [self._labels, self._tokens]
        with contextlib.suppress(PackError):  # of damaged rows, for which `pack` has its own word
            columns += self._gather(self._rows[seen]).values()
        for column in columns:
            sample.update(b"" if column is None else np.ascontiguousarray(column).tobytes())
        return {
            "kind": type(self).__name__,
            "file": os.path.basename(self._file.path),
            "bytes": self._file.version.size,
            "rows": len(self),
            "datasets": {
                field: [name, str(self._file.dtypes[name]), list(self._file.shapes[name])]
                for field, name in self._datasets.items()
            },
            "rows_sha256": sample.hexdigest(),
            "classes": self.classes,
            "text_length": self.text_length,
            "vocabulary": self.vocabulary,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_block": None, "_next": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def _forget(self) -> None:
        """Begins without rows read ahead."""
        self._block = (0, {"images": np.empty(0)})
        self._next = -1
        self._row_bytes = max(1, sum(map(self._file.row_bytes, self._datasets.values())))

    def _read(self, row: int, stop: int) -> dict[str, Array]:
        """Rows from `row` on; that one alone if another of them cannot be read."""
        try:
            return self._gather(self._rows[row:stop])
        except PackError:
            if stop == row + 1:
                raise
            return self._gather(self._rows[row : row + 1])

    def _gather(self, rows: npt.NDArray[np.int64]) -> dict[str, Array]:
        return {field: self._file.read(name, rows) for field, name in self._datasets.items()}

    # Labels and texts ---------------------------------------------------------------------------

    def _several(self, label: str) -> bool:
        return math.prod(self._file.shapes[label][1:]) != 1

    def _take_labels(self, name: str, classes: Any) -> None:
        labels, coded = read_labels(self._file, name)
        self.classes = distinct(labels) if classes is None else known(classes, "classes", "classes")
        numbers = np.asarray(class_numbers(labels, self.classes), np.int32)
        self._labels = numbers[coded]
        bad = np.flatnonzero(self._labels == NO_CLASS).tolist()
        why = label_problems(
            [labels[code] for code in coded[bad].tolist()], [NO_CLASS] * len(bad), self.classes
        )
        where = f"{self._file.path}, dataset {name!r}"
        self.problems = {
            row: f"{where}, row {row}: {why[number]}" for number, row in enumerate(bad)
        }


def _named(columns: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Field name -> dataset."""
    if isinstance(columns, str):
        raise TypeError(f"`columns` must be a list or a dict. Received: columns={columns!r}")
    named = dict(columns) if isinstance(columns, Mapping) else {}
    for name in () if named else columns:
        field = str(name).rpartition("/")[2]
        if field in named:
            raise ValueError(
                f"`columns` has two datasets for the field {field!r}; give a dict of field -> "
                f"dataset. Received: columns={columns!r}"
            )
        named[field] = name
    for field in ("images", "labels", "texts"):
        if field in named:
            raise ValueError(
                f"`columns` must not make the field {field!r}, which is that of another argument. "
                f"Received: columns={columns!r}"
            )
    return named
