"""Arrays as a source for `pack`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.packing.sources.base import checked_split, known
from keras_bigdata.packing.sources.labels import NO_CLASS, class_numbers, clean_labels, distinct
from keras_bigdata.packing.sources.split import split_rows
from keras_bigdata.permutation import Rows
from keras_bigdata.shards.class_counts import MAX_CLASSES
from keras_bigdata.shards.roles import Roles, as_structure, field_names

LABELS = "labels"


# Fields up to this size are told apart by all their values; it takes some 40 ms.
HASHED_BYTES = 64 * 1024**2


class Arrays:
    """Arrays in memory or in `np.memmap`s, row by row.

    Args:
        inputs: field name, or a (nested) tuple or dict of names, that `fit` gets as `x`.
            Defaults to `None`: every field that is nothing else, `images` and `texts` first.
        targets: the same, for `y`. Defaults to `None`: `labels`, where there is such a field.
        sample_weights: the same, for `sample_weight`. Defaults to `None`.
        classes: the label that class i stands for, as a list, or a source or `ShardIndex` to
            take them from. Defaults to `None`: where the labels are strings, all there are.
        **fields: name -> array of shape `(rows, ...)`, all with the same number of rows.
            `labels` given as strings become class numbers.

    Raises:
        ValueError: if the arrays differ in length or have no rows, or if a role names no field.
        TypeError: if an array holds Python objects.

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
            # Labels as they are: NumPy would turn a NaN among strings into a string.
            name: values
            if isinstance(values, np.ndarray)
            else np.asarray(values, object if name == LABELS and _strings(values) else None)
            for name, values in fields.items()
        }
        self.classes = None if classes is None else known(classes, "classes", "classes")
        labels = arrays.get(LABELS)
        if labels is not None and labels.dtype.kind in "UO" and labels.ndim == 1:
            arrays[LABELS] = self._numbers(labels)
        for name, array in arrays.items():
            if array.ndim == 0 or array.dtype.hasobject or array.dtype.kind in "US":
                raise TypeError(
                    f"Field {name!r} must be an array of numbers with rows. "
                    f"Received: dtype {array.dtype}, shape {array.shape}"
                )
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) != 1 or not all(lengths.values()):
            raise ValueError(
                f"The fields must be arrays with equally many rows. Received: {lengths or 'none'}"
            )
        self.roles = default_roles(arrays, inputs, targets, sample_weights)
        self._arrays = arrays
        self._rows: Rows | None = None

    def __len__(self) -> int:
        return len(next(iter(self._arrays.values()))) if self._rows is None else len(self._rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        if not -len(self) <= row < len(self):
            raise IndexError(f"There are {len(self)} rows. Received: row {row}")
        where = row if self._rows is None else self._rows[row]
        return {name: np.array(array[where]) for name, array in self._arrays.items()}

    def gather(self) -> dict[str, npt.NDArray[Any]]:
        """All rows at once, as new arrays."""
        rows = slice(None) if self._rows is None else self._rows
        return {name: np.array(array[rows]) for name, array in self._arrays.items()}

    def select(self, rows: npt.ArrayLike) -> Arrays:
        """A source of these rows only; nothing is copied."""
        part = Arrays.__new__(Arrays)
        part.__dict__.update(self.__dict__)
        chosen = np.asarray(rows, np.int64)
        part._rows = chosen if self._rows is None else self._rows[chosen]
        return part

    def split(self, fraction: float, seed: int = 0) -> tuple[Arrays, Arrays]:
        """Splits the rows in two, for training and validation.

        Where the targets are one column of integers, every class is split in the same
        proportion.

        Args:
            fraction: share of the rows that the second part gets, between 0 and 1.
            seed: another seed gives another split. Defaults to `0`.

        Returns:
            `(rest, part)`, two sources that share the arrays.

        Example:

        ```python
        train, validation = Arrays(images=x, labels=y).split(0.2)
        ```
        """
        fraction, seed = checked_split(fraction, seed)
        strata: npt.NDArray[Any] = np.zeros(len(self), np.int64)
        target = (
            self._arrays.get(self.roles.targets) if isinstance(self.roles.targets, str) else None
        )
        if target is not None and target.ndim == 1 and target.dtype.kind in "iub":
            values = target if self._rows is None else target[self._rows]
            # More values than that are no classes.
            if len(np.unique(values)) <= MAX_CLASSES:
                strata = values
        first, second = split_rows(strata, np.arange(len(self)), fraction, seed)
        return self.select(first), self.select(second)

    def fingerprint(self) -> dict[str, Any]:
        """What tells this source from others: all values, of large fields those of 64 rows."""
        sample = hashlib.sha256()
        for array in self._arrays.values():
            large = array.nbytes > HASHED_BYTES
            seen = np.unique(np.linspace(0, len(array) - 1, 64).astype(np.int64))
            sample.update((array[seen] if large else array).tobytes())
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
        # To another process only the rows chosen go, not all arrays.
        return {**self.__dict__, "_arrays": self.gather(), "_rows": None}

    def _numbers(self, labels: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        clean = clean_labels(labels.tolist(), f"field {LABELS!r}")
        if self.classes is None:
            self.classes = distinct(clean)
        numbers = class_numbers(clean, self.classes)
        if NO_CLASS in numbers:
            row = numbers.index(NO_CLASS)
            raise ValueError(
                f"`labels` must be among the classes {self.classes[:10]}. "
                f"Received in row {row}: {clean[row]!r}"
            )
        return np.asarray(numbers, np.int32)


def default_roles(
    fields: Iterable[str], inputs: Any = None, targets: Any = None, sample_weights: Any = None
) -> Roles:
    """The roles given; else `labels` are the targets and what is left over the inputs."""
    left = list(fields)
    if (
        targets is None
        and LABELS in left
        and LABELS not in field_names(as_structure(inputs, "inputs"))
    ):
        targets = LABELS
    y = as_structure(targets, "targets")
    w = as_structure(sample_weights, "sample_weights")
    if inputs is None:
        used = {*field_names(y), *field_names(w)}
        first = [name for name in ("images", "texts") if name in left]
        rest = [name for name in dict.fromkeys([*first, *left]) if name not in used]
        inputs = rest[0] if len(rest) == 1 else rest or None
    roles = Roles(as_structure(inputs, "inputs"), y, w)
    unknown = [name for name in roles.names if name not in left]
    if unknown:
        raise ValueError(f"The roles name {unknown}, but the fields are {left}.")
    return roles


def _strings(values: Any) -> bool:
    return isinstance(values, Sequence) and any(isinstance(value, str) for value in values)
