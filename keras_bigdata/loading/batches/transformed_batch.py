"""What a transform returns for a batch: checked against the roles and against other batches."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_bigdata.errors import ShardError
from keras_bigdata.loading.rows.row_reader import Batch
from keras_bigdata.shards.fields.field_values import as_array, numeric_problem
from keras_bigdata.shards.fields.roles import Roles, field_names
from keras_bigdata.shards.index.shard_index import Int64Array, ShardIndex

# Maximum number of shards, and of rows of each shard, that the error of a transform names.
_MAX_NAMED_SHARDS, _MAX_NAMED_ROWS = 6, 8


def batch_function(transform: Any) -> Any:
    """Returns the function that is called with each batch.

    An `Augment` changes one sample if it is called, and has a method for batches. A method of the
    same name in a user's class has another meaning.
    """
    package = __name__.partition(".")[0] + "."
    for kind in type(transform).__mro__:
        if "transform_batch" in vars(kind) and kind.__module__.startswith(package):
            return transform.transform_batch
    return transform


class TransformedBatches:
    """Checks what a transform returns, and keeps the arrays that are served.

    A transform may add and remove keys, the same ones in every batch. Every key that a role names
    must be there. Dtype and row shape of the served arrays must be those of the other batches.
    Thread-safe.

    Args:
        received: the fields that the transform receives.
        roles: which keys are served, and as what.
        ragged: the keys whose length, the second dimension, differs from batch to batch. Defaults
            to none.
    """

    def __init__(
        self, received: Sequence[str], roles: Roles, ragged: frozenset[str] = frozenset()
    ) -> None:
        self._received = list(received)
        self._roles = roles
        self._keys: frozenset[str] | None = None
        self._signature = BatchSignature(ragged)
        self._lock = threading.Lock()

    def check(self, result: Any, rows: int, where: str) -> Batch:
        """Returns the arrays that the roles name.

        Args:
            result: what the transform returned.
            rows: number of rows that it received.
            where: the epoch and the batch, for the message.

        Raises:
            ShardError: if the result is not a dict of arrays of `rows` rows, if a key is missing
                that a role names, or if keys, dtypes or row shapes differ from other batches.
        """
        where = f"`transform` at {where}"
        if not isinstance(result, dict):
            raise ShardError(
                f"{where} must return a dict of arrays; it received one with the keys "
                f"{self._received}. Received: {type(result)}"
            )
        self._check_keys(result, where)
        arrays = {}
        for name in self._roles.names:
            try:
                arrays[name] = as_array(result[name])
            except ValueError as error:
                raise ShardError(f"{where}: {name!r} {error}.") from error
            # Text may be encoded by the model, as by a TextVectorization layer.
            if arrays[name].dtype.kind in "OMm":
                raise ShardError(f"{where}: {name!r} {numeric_problem(arrays[name])}.")
        for name, array in arrays.items():
            if array.shape[:1] != (rows,):
                raise ShardError(
                    f"{where} must keep the number of rows, {rows}, of {name!r}. "
                    f"Received: shape {array.shape}"
                )
        self._signature.check(arrays, where)
        return arrays

    def _check_keys(self, result: dict[Any, Any], where: str) -> None:
        for role in ("inputs", "targets", "sample_weights"):
            for name in field_names(getattr(self._roles, role)):
                if name not in result:
                    raise ShardError(
                        f"{where} must return a dict with the keys that it received, "
                        f"{self._received}, or with other keys, but with every key that a role "
                        f"names. {name!r} is missing, which `{role}` names. "
                        f"Received: {sorted(map(str, result))}"
                    )
        keys = frozenset(result)
        with self._lock:
            self._keys = self._keys or keys
        if keys != self._keys:
            raise ShardError(
                f"{where} returned the keys {sorted(map(str, keys))}, but "
                f"{sorted(map(str, self._keys))} for other batches. It may add and remove keys, "
                "but the same ones in every batch."
            )


class BatchSignature:
    """Dtype and row shape of the arrays of the first batch, which all others must have.

    Thread-safe.

    Args:
        ragged: the keys whose length, the second dimension, may differ. Defaults to none.
    """

    def __init__(self, ragged: frozenset[str] = frozenset()) -> None:
        self._ragged = ragged
        self._first: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] | None = None
        self._lock = threading.Lock()

    def check(self, arrays: Batch, where: str) -> None:
        """Compares a batch with the first one that was checked.

        Args:
            arrays: the arrays of the batch.
            where: what returned them, for the message.

        Raises:
            ShardError: if a dtype or a row shape differs.
        """
        signature = {
            name: (array.dtype, array.shape[2 if name in self._ragged else 1 :])
            for name, array in arrays.items()
        }
        with self._lock:
            first = self._first = self._first or signature
        if signature == first:
            return
        name = next(name for name in first if signature.get(name) != first[name])
        advice = "It may change dtype and shape, but in the same way for every batch."
        if self._ragged:
            advice += (
                " Only rows of any length may have another length in each batch, under the name of "
                f"their field: {', '.join(map(repr, sorted(self._ragged)))}."
            )
        raise ShardError(
            f"{where} returned {name!r} with dtype {signature[name][0]} and row shape "
            f"{signature[name][1]}, but {first[name][0]} and {first[name][1]} for other batches. "
            f"{advice}"
        )


def rows_as_text(index: ShardIndex, shards: Int64Array, rows: Int64Array) -> str:
    """Returns the paths of shards and the numbers of some of their rows.

    Args:
        index: the shards.
        shards: int64 array, the shard of each row.
        rows: int64 array of equal length, the row in that shard.
    """
    found = np.unique(shards).tolist()
    parts = []
    for shard in found[:_MAX_NAMED_SHARDS]:
        here = rows[shards == shard].tolist()
        more = f" and {len(here) - _MAX_NAMED_ROWS} more" if len(here) > _MAX_NAMED_ROWS else ""
        listed = ", ".join(map(str, here[:_MAX_NAMED_ROWS]))
        parts.append(f"{index.path(shard)} (rows {listed}{more})")
    more = (
        f"; and {len(found) - _MAX_NAMED_SHARDS} more shards"
        if len(found) > _MAX_NAMED_SHARDS
        else ""
    )
    return f"{'; '.join(parts)}{more}"
