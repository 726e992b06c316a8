"""Arrays as a source for `pack`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.packing.sources.base import Source
from keras_bigdata.packing.sources.labels import (
    NO_CLASS,
    class_numbers,
    clean_labels,
    preview,
    resolve_classes,
    sort_classes,
)
from keras_bigdata.packing.sources.split import split_rows
from keras_bigdata.permutation import Rows
from keras_bigdata.shards.class_counts import MAX_CLASSES
from keras_bigdata.shards.roles import Roles, as_structure, field_names

LABELS = "labels"

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
        **fields: Name -> array of shape `(rows, ...)`, all with the same number of rows.
            `labels` given as strings are converted to int32 class numbers; other arrays keep
            their dtype.

    Raises:
        ValueError: If the arrays differ in length or have no rows, if a role names a field that
            does not exist, or if a label is not among `classes`.
        TypeError: If an array holds Python objects or strings.
        PackError: If `labels` holds strings among values that are not labels.

    Example:

    ```python
    x = np.load("x.npy", mmap_mode="r")  # (rows, 128, 128, 3)
    pack(Arrays(images=x, labels=y), "shards/train")
    pack(Arrays(images=x, age=ages, targets="age"), "shards/ages")
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
        **fields: npt.ArrayLike,
    ) -> None:
        arrays = {
            # Labels stay Python objects: NumPy would convert a NaN among strings to a string.
            name: values
            if isinstance(values, np.ndarray)
            else np.asarray(values, object if name == LABELS and _has_strings(values) else None)
            for name, values in fields.items()
        }
        self.classes = None if classes is None else resolve_classes(classes)
        labels = arrays.get(LABELS)
        if labels is not None and labels.dtype.kind in "UO" and labels.ndim == 1:
            arrays[LABELS] = self._encode_labels(labels)
        for name, array in arrays.items():
            if array.ndim == 0 or array.dtype.hasobject or array.dtype.kind in "US":
                raise TypeError(
                    f"Field {name!r} must be an array of numbers with rows. "
                    f"Received: dtype {array.dtype}, shape {array.shape}"
                )
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) != 1 or not all(lengths.values()):
            raise ValueError(
                "The fields must be arrays with the same number of rows, at least 1. "
                f"Received: {lengths or 'none'}"
            )
        self.roles = default_roles(arrays, inputs, targets, sample_weights)
        self._arrays = arrays
        self._rows: Rows | None = None

    def __len__(self) -> int:
        return len(next(iter(self._arrays.values()))) if self._rows is None else len(self._rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        if not -len(self) <= row < len(self):
            raise IndexError(f"There are {len(self)} rows. Received: row {row}")
        position = row if self._rows is None else self._rows[row]
        return {name: np.array(array[position]) for name, array in self._arrays.items()}

    def gather(self) -> dict[str, npt.NDArray[Any]]:
        """Returns all rows at once, as new arrays.

        Returns:
            Dict of field name -> array of shape `(rows, ...)`.
        """
        rows = slice(None) if self._rows is None else self._rows
        return {name: np.array(array[rows]) for name, array in self._arrays.items()}

    def select(self, rows: npt.ArrayLike) -> Arrays:
        """Returns a source of these rows; nothing is copied.

        Args:
            rows: Row numbers, in the order in which the new source has them.

        Returns:
            A source that shares the arrays.

        Example:

        ```python
        first_hundred = Arrays(images=x, labels=y).select(range(100))
        ```
        """
        # Not `copy.copy`, for which `__getstate__` would copy the rows.
        part = Arrays.__new__(Arrays)
        part.__dict__.update(self.__dict__)
        chosen = np.asarray(rows, np.int64)
        part._rows = chosen if self._rows is None else self._rows[chosen]
        return part

    def split(self, fraction: float, seed: int = 0) -> tuple[Arrays, Arrays]:
        """Splits the rows in two parts, for training and validation.

        If the targets are one field of integers with one value per row, every class is split in
        the same proportion.

        Args:
            fraction: Share of the rows that the second part receives, between 0 and 1.
            seed: Integer of at least 0; another seed results in another split. Defaults to `0`.

        Returns:
            Tuple `(rest, part)` of two sources that share the arrays.

        Raises:
            ValueError: If `fraction` or `seed` is out of range, or if there are fewer than two
                rows.
            TypeError: If `fraction` is not a number, or `seed` not an integer.

        Example:

        ```python
        train, validation = Arrays(images=x, labels=y).split(0.2)
        ```
        """
        strata: npt.NDArray[Any] = np.zeros(len(self), np.int64)
        target = (
            self._arrays.get(self.roles.targets) if isinstance(self.roles.targets, str) else None
        )
        if target is not None and target.ndim == 1 and target.dtype.kind in "iub":
            values = target if self._rows is None else target[self._rows]
            # With more different values, they are not classes.
            if len(np.unique(values)) <= MAX_CLASSES:
                strata = values
        first, second = split_rows(strata, np.arange(len(self)), fraction, seed)
        return self.select(first), self.select(second)

    def fingerprint(self) -> dict[str, Any]:
        """Returns a JSON dict that differs between sources with different rows.

        All values are compared; for fields over 64 MiB, those of 64 rows.
        """
        sample = hashlib.sha256()
        for array in self._arrays.values():
            large = array.nbytes > HASHED_BYTES
            sampled_rows = np.unique(np.linspace(0, len(array) - 1, 64).astype(np.int64))
            sample.update((array[sampled_rows] if large else array).tobytes())
        if self._rows is not None:
            sample.update(self._rows.tobytes())
        return {
            "kind": "Arrays",
            "rows": len(self),
            "fields": {name: [str(a.dtype), a.shape[1:]] for name, a in self._arrays.items()},
            "rows_sha256": sample.hexdigest(),
            "classes": self.classes,
        }

    def __getstate__(self) -> dict[str, Any]:
        # Only the selected rows are sent to another process, not all arrays.
        return {**self.__dict__, "_arrays": self.gather(), "_rows": None}

    def _row_shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: array.shape[1:] for name, array in self._arrays.items()}

    def _encode_labels(self, labels: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """Returns the class numbers of labels; takes the classes from them if none were passed."""
        clean = clean_labels(labels.tolist(), f"field {LABELS!r}")
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


def default_roles(
    fields: Iterable[str], inputs: Any = None, targets: Any = None, sample_weights: Any = None
) -> Roles:
    """Returns the roles passed; by default `labels` are the targets, other fields the inputs.

    Args:
        fields: The names of all fields.
        inputs: Field name, or a (nested) tuple or dict of names. Defaults to `None`: every field
            without another role, `images` and `texts` first.
        targets: The same. Defaults to `None`: `labels`, if there is such a field.
        sample_weights: The same. Defaults to `None`.

    Raises:
        ValueError: If a role names a field that does not exist.
    """
    available = list(fields)
    if (
        targets is None
        and LABELS in available
        and LABELS not in field_names(as_structure(inputs, "inputs"))
    ):
        targets = LABELS
    y = as_structure(targets, "targets")
    weights = as_structure(sample_weights, "sample_weights")
    if inputs is None:
        used = {*field_names(y), *field_names(weights)}
        first = [name for name in ("images", "texts") if name in available]
        rest = [name for name in dict.fromkeys([*first, *available]) if name not in used]
        inputs = rest[0] if len(rest) == 1 else rest or None
    roles = Roles(as_structure(inputs, "inputs"), y, weights)
    unknown = [name for name in roles.names if name not in available]
    if unknown:
        raise ValueError(f"The roles name {unknown}, but the fields are {available}.")
    return roles


def _has_strings(values: Any) -> bool:
    return isinstance(values, Sequence) and any(isinstance(value, str) for value in values)
