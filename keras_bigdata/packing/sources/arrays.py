"""Arrays as a source for `pack`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_row
from keras_bigdata.packing.samples.stored_form import StoredForm
from keras_bigdata.packing.sources.any_length import (
    Column,
    forms_of_columns,
    memory_map_of,
    row_shape,
    sampled_values,
    select_rows,
)
from keras_bigdata.packing.sources.base import RowShape, Source
from keras_bigdata.packing.sources.default_roles import default_roles
from keras_bigdata.packing.sources.tables.labels import (
    NO_CLASS,
    check_class_numbers,
    class_numbers,
    clean_labels,
    preview,
    resolve_classes,
    sort_classes,
)
from keras_bigdata.permutation import Rows
from keras_bigdata.shards.fields.field_rows import (
    as_rows,
    check_weight_roles,
    list_target_problem,
    ragged_names,
)
from keras_bigdata.shards.fields.field_values import numeric_problem
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.fields.roles import field_names
from keras_bigdata.shards.fields.standard_fields import LABELS
from keras_bigdata.shards.selecting.label_numbers import BLOCK_BYTES, combine_labels, number_labels

# The fingerprint covers all values of fields up to this size, which takes some 40 ms.
HASHED_BYTES = 64 * 1024**2


class Arrays(Source):
    """Arrays in memory or in `np.memmap`s, row by row.

    Args:
        inputs: Field name, or a (nested) tuple or dict of names, that `fit` receives as `x`.
            Defaults to `None`: every field without another role, `images` and `texts` first.
        targets: The same, for `y`. Defaults to `None`: `labels`, if there is such a field.
        sample_weights: The same, for `sample_weight`. Defaults to `None`.
        classes: The label that class i stands for, as a list, or a source or `ShardIndex` to
            take them from. Defaults to `None`: if the labels are strings, all of them, sorted.
        **fields: Name -> array of shape `(rows, ...)`, all with the same number of rows. Rows of
            any length are `Ragged`; or a list, or a column of a table, of arrays or lists of
            numbers of different length. In a batch they are padded to the longest with 0, or with
            the padding of the `Ragged`.
            `labels` given as strings are converted to int32 class numbers. Other arrays keep
            their dtype: whole numbers are class numbers already. With `classes` they must lie
            between 0 and the number of classes; they are not looked up among the classes. Without
            `classes` they have no names, and `classes` of the packed set is `None`; its
            `len(class_counts)` is the largest label plus 1.

    Raises:
        ValueError: If the arrays differ in length or have no rows, if a role names a field that
            does not exist, if a label is not among `classes`, or if labels may be class numbers as
            well as names of classes (`classes=[1, 2, 3]`, a label 1); if targets are lists of whole
            numbers of different length, which may be sequences as well as several classes per row,
            or if sample weights are of any length.
        TypeError: If a field is not an array of numbers: texts, dates, Python objects, masked
            values, a dict, rows that differ in more than their length.
        PackError: If `labels` holds strings among values that are not labels.

    Example:

    ```python
    x = np.load("x.npy", mmap_mode="r")  # (rows, 128, 128, 3)
    pack(Arrays(images=x, labels=y), "shards/train")
    pack(Arrays(images=x, age=ages, targets="age"), "shards/ages")
    pack(Arrays(series=[[0.5, 0.1], [0.3], []], labels=[0, 1, 0]), "shards/series")
    ```
    """

    # Gathering rows, checksums and writing all run outside the GIL.
    thread_rows = sys.maxsize

    def __init__(
        self,
        *,
        inputs: Any = None,
        targets: Any = None,
        sample_weights: Any = None,
        classes: Any = None,
        **fields: npt.ArrayLike | Ragged,
    ) -> None:
        self.classes = None if classes is None else resolve_classes(classes)
        arrays: dict[str, Column] = {}
        self._has_encoded_labels = False
        for name, values in fields.items():
            array = _as_field(name, values)
            if isinstance(array, Ragged):
                arrays[name] = array
                continue
            if name == LABELS and array.ndim == 1 and array.dtype.kind in "UO":
                array, self._has_encoded_labels = self._encode_labels(array), True
            problem = numeric_problem(array, type(values).__name__)
            if array.ndim == 0 or problem is not None:
                raise TypeError(
                    f"Field {name!r} must be an array of numbers with rows. Received: dtype "
                    f"{array.dtype}, shape {array.shape}"
                    + ("" if problem is None else f". It {problem}")
                )
            arrays[name] = array
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) != 1 or not all(lengths.values()):
            raise ValueError(
                "The fields must be arrays with the same number of rows, at least 1. "
                f"Received: {lengths or 'none'}"
            )
        self.roles = default_roles(arrays, inputs, targets, sample_weights)
        check_weight_roles(self.roles, ragged_names(arrays))
        for name in field_names(self.roles.targets):
            problem = list_target_problem(fields[name], arrays[name])
            if problem is not None:
                raise ValueError(f"Field {name!r} {problem}.")
        owner = self.class_field
        if self.classes is not None and not self._has_encoded_labels:
            if owner not in arrays:
                raise ValueError(
                    f"`classes` are the names of the labels, and there is no field {LABELS!r} and "
                    f"no other single target. Received: fields {list(arrays)}"
                )
            owned = arrays[owner]
            numbers = owned.values if isinstance(owned, Ragged) else owned
            check_class_numbers(numbers, self.classes, owner)
        self._arrays = arrays
        self._files = [
            values.filename
            for values in map(memory_map_of, fields.values())
            if values is not None and values.nbytes > HASHED_BYTES and values.filename
        ]

    def __len__(self) -> int:
        if self._positions is not None:
            return len(self._positions)
        return len(next(iter(self._arrays.values())))

    def __getitem__(self, row: int) -> dict[str, Any]:
        row = checked_row(row, len(self))
        position = row if self._positions is None else self._positions[row]
        return {name: np.array(array[position]) for name, array in self._arrays.items()}

    def gather(self) -> dict[str, Column]:
        """Returns all rows at once, as new arrays.

        Returns:
            Dict of field name -> array of shape `(rows, ...)`, or `Ragged`.
        """
        return {
            name: select_rows(array, self._positions, copy=True)
            for name, array in self._arrays.items()
        }

    @property
    def stored_forms(self) -> Mapping[str, StoredForm]:
        """How `pack` stores the fields whose rows are of any length."""
        return forms_of_columns(self._arrays, self._positions)

    def select(self, rows: npt.ArrayLike) -> Self:
        """Returns a source of some rows; nothing is copied.

        Args:
            rows: Row numbers, in the order in which the new source has them; they may repeat. Or
                a boolean mask with one entry for each row: the rows where it is true.

        Returns:
            A source of the same class that shares the arrays.

        Raises:
            TypeError: If `rows` is neither, such as a slice or a list of floats.
            ValueError: If a row number is negative or too large, if a mask has another length, or
                if no row is selected.

        Example:

        ```python
        first = Arrays(images=x, labels=y).select(range(10))
        without_zeros = Arrays(images=x, labels=y).select(y != 0)
        ```
        """
        return super().select(rows)

    def split(
        self,
        fraction: float,
        seed: int = 0,
        *,
        stratify: str | Iterable[str] | None = "auto",
        groups: Any = None,
    ) -> tuple[Self, Self]:
        """Splits the rows in two parts, for training and validation.

        Every class is split in the same proportion; with several targets of labels, or several
        labels per row, every combination of them. Labels are integers, booleans, or rows of
        floats that are all 0 or 1, with at most 10,000 different ones. A row that was selected
        more than once goes to one part.

        Args:
            fraction: Share of the rows that the second part receives, between 0 and 1.
            seed: Integer of at least 0; another seed results in another split. Defaults to `0`.
            stratify: Name or names of fields of labels, which are split in the same proportion in
                place of the targets (`"auto"`); `None` for none. Defaults to `"auto"`.
            groups: Array with one value per row, or the name of a field: rows with the same value
                go to the same part. Defaults to `None`.

        Returns:
            Tuple `(rest, part)` of two sources that share the arrays.

        Raises:
            ValueError: If `fraction` or `seed` is out of range, if there are fewer than two rows
                or groups, or if a group is missing (NaN).
            TypeError: If `fraction` is not a number, or `seed` not an integer.

        Example:

        ```python
        train, validation = Arrays(images=x, labels=y).split(0.2)
        ```
        """
        return super().split(fraction, seed, stratify=stratify, groups=groups)

    def fingerprint(self) -> dict[str, Any]:
        """Returns a JSON dict that differs between sources with different rows.

        All values are compared; for fields over 64 MiB, those of 64 rows.
        """
        sample = hashlib.sha256()
        for array in self._arrays.values():
            sampled_rows = np.unique(np.linspace(0, len(array) - 1, 64).astype(np.int64))
            for part in sampled_values(array, sampled_rows, HASHED_BYTES):
                sample.update(part.tobytes())
        if self._positions is not None:
            sample.update(self._positions.tobytes())
        return {
            "kind": type(self).__name__ if self.reads_rows_its_own_way() else "Arrays",
            "rows": len(self),
            "fields": {
                name: [
                    str(array.dtype),
                    row_shape(array),
                    *([array.padding] if isinstance(array, Ragged) else []),
                ]
                for name, array in self._arrays.items()
            },
            "rows_sha256": sample.hexdigest(),
            "classes": self.classes,
        }

    @property
    def class_field(self) -> str:
        """The field that `classes` belong to: encoded labels, the only target, or `labels`."""
        return LABELS if self._has_encoded_labels else super().class_field

    def source_files(self) -> Iterable[str]:
        """Returns the files of memory maps whose values are not compared in full."""
        return list(dict.fromkeys(map(str, self._files)))

    def __getstate__(self) -> dict[str, Any]:
        # Only the selected rows are sent to another process, not all arrays.
        return {**self.__dict__, "_arrays": self.gather(), "_positions": None}

    def _strata(self) -> npt.NDArray[Any]:
        targets = [self._arrays[name] for name in field_names(self.roles.targets)]
        numbers = [
            None if isinstance(target, Ragged) else number_labels(self._blocks(target), len(self))
            for target in targets
        ]
        return combine_labels(numbers, len(self))

    def _group_values(self, name: str) -> npt.NDArray[Any]:
        if name not in self._arrays:
            raise self._no_column(name, self._arrays)
        array = self._arrays[name]
        if isinstance(array, Ragged):
            raise self._ragged_column(name)
        return array if self._positions is None else array[self._positions]

    def _blocks(self, array: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
        """Yields the selected rows of an array in parts."""
        step = max(1, BLOCK_BYTES * len(array) // max(1, array.nbytes))
        for start in range(0, len(self), step):
            rows: slice | Rows = slice(start, start + step)
            yield array[rows if self._positions is None else self._positions[rows]]

    def _row_shapes(self) -> dict[str, RowShape]:
        return {name: row_shape(array) for name, array in self._arrays.items()}

    def _encode_labels(self, labels: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """Returns the class numbers of labels; takes the classes from them if none were passed."""
        clean = clean_labels(labels.tolist(), f"field {LABELS!r}", self.classes)
        if self.classes is None:
            self.classes = sort_classes(clean)
        numbers = class_numbers(clean, self.classes)
        if NO_CLASS in numbers:
            row = numbers.index(NO_CLASS)
            raise ValueError(
                f"`labels` must be among the classes ({preview(self.classes)}). "
                f"Received in row {row}: {clean[row]!r}"
            )
        return np.asarray(numbers, np.int32)


def _as_field(name: str, values: Any) -> Column:
    """Returns the rows of a field; labels that hold strings as Python objects."""
    try:
        if name == LABELS and _has_strings(values):
            # NumPy would convert a NaN among strings to a string.
            return np.asarray(values, object)
        return as_rows(values)
    except ValueError as error:
        raise TypeError(f"Field {name!r} must be an array of numbers. It {error}.") from error


def _has_strings(values: Any) -> bool:
    return isinstance(values, Sequence) and any(isinstance(value, str) for value in values)
