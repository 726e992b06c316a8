"""Validation sets in all accepted forms, as datasets that `evaluate` can read repeatedly."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_bigdata.callbacks.validation.requested_roles import RequestedRoles, is_path
from keras_bigdata.errors import ShardError
from keras_bigdata.shards.fields.roles import Roles, Structure, map_structure
from keras_bigdata.shards.shards import Shards
from keras_bigdata.storage.paths.place import as_place


def name_sets(sets: Any) -> tuple[dict[str, Any], bool]:
    """Returns the sets by name, and whether the user chose the names.

    A dict of arrays is one set; any other dict holds named sets. The sets of a list are named by
    their position.
    """
    if isinstance(sets, Mapping):
        if not sets:
            raise ValueError("`sets` must hold at least one validation set. Received: sets={}")
        if all(is_array(value) for value in sets.values()):
            return {"0": sets}, False
        for name in sets:
            if not isinstance(name, str) or not name:
                raise TypeError(
                    f"The name of a validation set must be a non-empty string. Received: {name!r}"
                )
        return dict(sets), True
    if isinstance(sets, list):
        if not sets:
            raise ValueError("`sets` must hold at least one validation set. Received: sets=[]")
        return {str(position): data for position, data in enumerate(sets)}, False
    return {"0": sets}, False


def open_set(
    name: str,
    data: Any,
    batch_size: int,
    roles: RequestedRoles,
    storage_options: Mapping[str, Any] | None = None,
) -> Any:
    """Checks one set, and returns it as a dataset for `evaluate` or as `NamedArrays`.

    Args:
        name: its name, for the messages.
        data: the set as it was passed.
        batch_size: rows per batch of arrays and shards.
        roles: the roles of fields that were passed.
        storage_options: the options of the driver, if the set is a URL. Defaults to `None`.

    Raises:
        TypeError: if the set cannot be evaluated repeatedly.
        ValueError: if it is empty or infinite, or if its arrays do not fit together.
    """
    try:
        return _open(data, batch_size, roles, storage_options)
    except (TypeError, ValueError) as error:
        raise type(error)(f"Validation set {name!r}: {error}") from error


def _open(
    data: Any,
    batch_size: int,
    roles: RequestedRoles,
    storage_options: Mapping[str, Any] | None,
) -> Any:
    if is_path(data):
        return _check_length(_open_shards(data, batch_size, roles, storage_options))
    # A user's `ShardSequence` is never iterated: it counts the epochs that it has served.
    if callable(getattr(data, "unshuffled", None)):
        return _check_length(_check_targets(data.unshuffled(), roles))
    if isinstance(data, keras.utils.PyDataset) or _is_tf_dataset(data):
        return _check_length(data)
    if isinstance(data, Mapping):
        return NamedArrays.check(data, batch_size, roles.complete(Roles()))
    if isinstance(data, tuple) and len(data) in (1, 2, 3):
        x, y, sample_weight = (*data, None, None)[:3]
        return ArrayBatches(x, y, sample_weight, batch_size)
    hint = ""
    if is_array(data) or isinstance(data, (list, tuple)):
        hint = " Pass arrays as a tuple, (x, y)."
    elif hasattr(data, "__next__"):
        hint = " A generator can be run only once: store its batches first."
    raise TypeError(
        "a set must be a tuple (x, y), (x, y, sample_weight) or (x,), a dict of arrays, a "
        "keras.utils.PyDataset, a tf.data.Dataset, a Shards or the path of a directory of shards. "
        f"Received: an object of type {type(data).__name__}.{hint}"
    )


def _open_shards(
    data: str | os.PathLike[str] | Shards,
    batch_size: int,
    requested: RequestedRoles,
    storage_options: Mapping[str, Any] | None,
) -> Any:
    from keras_bigdata.loading.sequence import ShardSequence
    from keras_bigdata.shards.opening.open_shards import open_shards

    # Pickles without an index have no roles: they are scanned for the fields that were passed.
    used = requested.complete(Roles()).names if requested.inputs else ()
    if isinstance(data, Shards):
        opened = data
    else:
        try:
            place = as_place(data, "sets")
            if isinstance(place, Path):
                opened = Shards(open_shards(place, used=used))
            else:
                opened = Shards(place.url, storage_options=storage_options)
        except ShardError as error:
            if "layout=" not in str(error):
                raise
            hint = f"Here, pass ShardSequence({os.fspath(data)!r}, layout=...) as the set."
            raise type(error)(f"{error} {hint}") from error
    roles = requested.complete(opened.index.roles)
    shards = ShardSequence(
        opened,
        batch_size=batch_size,
        shuffle=None,
        inputs=roles.inputs,
        targets=roles.targets,
        sample_weights=roles.sample_weights,
        part=(0, 1),  # several processes divide it later: see `divided_sets`
    )
    return _check_targets(shards.unshuffled(), requested)


def _check_targets(sequence: Any, requested: RequestedRoles) -> Any:
    roles = getattr(sequence, "roles", None)
    if roles is not None and roles.targets is None and requested.targets is not None:
        raise ValueError(
            "the shards have no targets. Pass the name of a field as `targets` (of ShardSequence, "
            "if the set is one), or targets=None for a model that is evaluated without "
            "targets."
        )
    return sequence


def _is_tf_dataset(data: Any) -> bool:
    # If `data` is a dataset, TensorFlow is imported. On other backends it may not be installed.
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(data, tensorflow.data.Dataset)


def _check_length(data: Any) -> Any:
    if isinstance(data, keras.utils.PyDataset):
        batches = data.num_batches
        is_infinite = batches is None
    else:
        batches = int(data.cardinality())  # -1: infinite, -2: unknown until it has run
        is_infinite = batches == -1
    if is_infinite:
        raise ValueError("it is infinite, so it cannot be evaluated. Use `.take(batches)`.")
    if batches == 0:
        raise ValueError("it has no batches.")
    return data


def has_unknown_length(data: Any) -> bool:
    """Returns whether the number of batches is known only after a run."""
    return _is_tf_dataset(data) and int(data.cardinality()) < 0


@dataclass(frozen=True)
class NamedArrays:
    """A dict of arrays: inputs, targets and sample weights.

    It may be unknown which input of the model an array is until there is a model.
    """

    fields: dict[str, Any]
    roles: Roles
    batch_size: int

    @classmethod
    def check(cls, fields: Mapping[str, Any], batch_size: int, roles: Roles) -> NamedArrays:
        """Returns the arrays after checking them as far as possible without a model.

        Raises:
            TypeError: if something is not an array of numbers.
            ValueError: if arrays are missing or do not fit together.
        """
        fields = dict(fields)
        missing = [name for name in roles.names if name not in fields]
        if missing:
            raise ValueError(
                f"the arrays {missing} are missing. Pass `inputs=` and `targets=`, the names of "
                f"the arrays that are inputs and targets. Received: {list(fields)}"
            )
        self = cls(fields, roles, batch_size)
        if not self._without_role() and roles.inputs is None:
            raise ValueError(f"there are no inputs. Received: {list(fields)}")
        # Detects arrays that do not fit together now instead of in the first epoch.
        self._batches(roles.inputs or tuple(self._without_role()))
        return self

    def batches(self, model: Any) -> ArrayBatches:
        """Returns the batches for `model`.

        Raises:
            ValueError: if it is unknown which array is which input of the model.
        """
        return self._batches(self.roles.inputs or self._match_inputs(model))

    def _batches(self, inputs: Structure) -> ArrayBatches:
        structures = (inputs, self.roles.targets, self.roles.sample_weights)
        x, y, weights = (
            None if structure is None else map_structure(structure, self.fields.__getitem__)
            for structure in structures
        )
        return ArrayBatches(x, y, weights, self.batch_size)

    def _without_role(self) -> list[str]:
        return [name for name in self.fields if name not in self.roles.names]

    def _match_inputs(self, model: Any) -> Structure:
        names = self._without_role()
        if len(names) == 1:
            return names[0]
        inputs = [tensor.name for tensor in getattr(model, "inputs", None) or ()]
        if sorted(inputs) != sorted(names):
            raise ValueError(
                f"it is not known which of the arrays {names} is which input of the model, whose "
                f"inputs are {inputs or 'not named'}. Pass `inputs=`, a tuple of names in the "
                "model's order, or a dict from the model's names to the arrays'."
            )
        return {name: name for name in inputs}


class ArrayBatches(keras.utils.PyDataset):
    """Batches `(x, y)` or `(x, y, sample_weight)` cut from arrays in their order.

    On TensorFlow, `evaluate(x, y)` copies all arrays at each call. Here slices are views.

    Args:
        x: an array of shape `(rows, ...)`, or a (nested) tuple, list or dict of arrays.
        y: the same, or `None`.
        sample_weight: the same, or `None`; a `None` in a structure means weights of one.
        batch_size: number of rows per batch; the last batch may have fewer.

    Raises:
        TypeError: if something is not an array of numbers.
        ValueError: if the arrays differ in their number of rows, or have none.
    """

    def __init__(self, x: Any, y: Any, sample_weight: Any, batch_size: int) -> None:
        super().__init__()
        self._x = _to_arrays(x, "x")
        self._y = None if y is None else _to_arrays(y, "y")
        rows = _count_rows({"x": self._x, "y": self._y})
        self._weight = None
        if sample_weight is not None:
            ones = np.ones(rows, keras.config.floatx())
            self._weight = _to_arrays(sample_weight, "sample_weight", instead_of_none=ones)
            _count_rows({"x": self._x, "sample_weight": self._weight})
        self.num_samples = rows
        self.batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(self.num_samples / self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return self.rows(slice(index * self.batch_size, (index + 1) * self.batch_size))

    def rows(self, rows: slice) -> tuple[Any, ...]:
        """Returns some rows as a batch."""
        parts = (self._x, self._y, self._weight)
        return tuple(
            _map_arrays(lambda array: _slice(array, rows), p) for p in parts if p is not None
        )


def is_array(value: Any) -> bool:
    """Returns whether a value is one array: of NumPy, pandas or a backend, or a list of numbers.

    Arrays on disk, like those of h5py, are arrays too.
    """
    if isinstance(value, list):
        return bool(value) and (isinstance(value[0], Number) or _is_list_of_numbers(value[0]))
    return hasattr(value, "shape") and hasattr(value, "__getitem__")


def _is_list_of_numbers(value: Any) -> bool:
    return isinstance(value, list) and is_array(value)


def _to_arrays(value: Any, where: str, instead_of_none: Any = None) -> Any:
    """Returns the structure with arrays that can be sliced, and tuples in place of lists."""
    if value is None and instead_of_none is not None:
        return instead_of_none
    if is_array(value):
        return _to_array(value, where)
    if isinstance(value, Mapping) and value:
        return {k: _to_arrays(v, f"{where}[{k!r}]", instead_of_none) for k, v in value.items()}
    if isinstance(value, (tuple, list)) and value:
        return tuple(_to_arrays(v, f"{where}[{i}]", instead_of_none) for i, v in enumerate(value))
    raise TypeError(
        f"{where} must be an array, or a tuple, list or dict of arrays. Received: {where} of type "
        f"{type(value).__name__}"
    )


def _to_array(value: Any, where: str) -> Any:
    if keras.ops.is_tensor(value):
        value = keras.ops.convert_to_numpy(value)
    elif hasattr(value, "iloc") or not hasattr(value, "dtype"):
        value = np.asarray(value)
    # Other arrays, such as datasets of h5py, are read slice by slice.
    if np.dtype(value.dtype).kind in "OUSMm":
        raise TypeError(
            f"{where} must hold numbers. Received: dtype {value.dtype}. Pass text as a "
            "tf.data.Dataset or a PyDataset."
        )
    return value


def _count_rows(parts: dict[str, Any]) -> int:
    shapes = {
        where: array.shape
        for name, part in parts.items()
        if part is not None
        for where, array in _iterate_arrays(part, name)
    }
    if any(len(shape) == 0 for shape in shapes.values()):
        raise ValueError(f"arrays must have rows. Received shapes: {shapes}")
    counts = {int(shape[0]) for shape in shapes.values()}
    if len(counts) > 1:
        raise ValueError(f"arrays must have the same number of rows. Received shapes: {shapes}")
    if counts == {0}:
        raise ValueError(f"arrays must have at least one row. Received shapes: {shapes}")
    return counts.pop()


def _slice(array: Any, rows: slice) -> Any:
    part = np.asarray(array[rows])
    # Keras converts arrays of floats in the same way.
    if part.dtype.kind == "f" and part.dtype != keras.config.floatx():
        return part.astype(keras.config.floatx())
    return part


def _map_arrays(function: Callable[[Any], Any], structure: Any) -> Any:
    if isinstance(structure, dict):
        return {key: _map_arrays(function, item) for key, item in structure.items()}
    if isinstance(structure, tuple):
        return tuple(_map_arrays(function, item) for item in structure)
    return function(structure)


def _iterate_arrays(structure: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(structure, dict):
        for key, item in structure.items():
            yield from _iterate_arrays(item, f"{where}[{key!r}]")
    elif isinstance(structure, tuple):
        for index, item in enumerate(structure):
            yield from _iterate_arrays(item, f"{where}[{index}]")
    else:
        yield where, structure
