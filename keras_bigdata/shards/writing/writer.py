"""`ShardWriter`: writes a set of shards from a custom loop, and the index last."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_int
from keras_bigdata.errors import ShardError
from keras_bigdata.representation import format_count
from keras_bigdata.shards.fields.entries import Field, ShardInfo, format_fields
from keras_bigdata.shards.fields.field_rows import (
    check_weight_roles,
    list_target_problem,
    ragged_names,
)
from keras_bigdata.shards.fields.field_values import numeric_problem
from keras_bigdata.shards.fields.metadata_columns import (
    ROW,
    as_column,
    check_field_names,
    describe_columns,
)
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.fields.roles import Roles, as_structure, field_names
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.index.shard_names import shard_name
from keras_bigdata.shards.reading.class_counts import add_counts, check_classes, count_classes
from keras_bigdata.shards.writing.shard_file import as_stored, describe_fields, write_shard
from keras_bigdata.shards.writing.writing_mark import WritingMark
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.writable import writable_place

Array = npt.NDArray[Any]


class ShardWriter:
    """Writes a set of shards from a custom loop and, when it is closed, their index.

    Each `write` writes one shard; leaving the `with` block writes `index.json`, which completes
    the set. After an exception there is no index: the shards written so far stay, and a new writer
    refuses the directory until it has been emptied.

    Behind a URL a shard is written to the temporary directory first, and uploaded as a whole. A
    lease keeps other writers away; it is renewed until the writer is closed or the block ends.

    Args:
        directory: directory for the shards, a path or a URL; created if missing, refused unless it
            is empty.
        inputs: field name, or a (nested) tuple or dict of names, that `fit` receives as `x`.
            Defaults to `None`: to be passed when the shards are read.
        targets: the same, for `y`. Defaults to `None`.
        sample_weights: the same, for `sample_weight`. Defaults to `None`. A field with a role must
            hold numbers; others may hold texts or dates.
        classes: the label that class i stands for. Defaults to `None`.
        vocabulary: the word that token i stands for. Defaults to `None`.
        provenance: how the shards were written, kept in the index for information; must be JSON.
            Defaults to `None`.
        storage_options: options of the fsspec driver of a URL. Defaults to `None`.

    Raises:
        TypeError: if `classes`, `vocabulary` or `provenance` cannot be written as JSON.
        ValueError: if `directory` is a URL of a store whose files may be seen in part.
        StorageError: if a store cannot be reached, or if another process has taken over.
        ShardError: if the directory is not empty, if another process writes to the same URL, if a
            shard's arrays differ in length, or if a field's dtype or row shape differs from that in
            the first shard.

    Example:

    ```python
    with ShardWriter("shards/train", inputs="images", targets="labels") as writer:
        for images, labels in batches:  # images: (rows, 28, 28, 1), labels: (rows,)
            writer.write({"images": images, "labels": labels})
    ```
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | RemotePath,
        *,
        inputs: Any = None,
        targets: Any = None,
        sample_weights: Any = None,
        classes: Sequence[Any] | None = None,
        vocabulary: Sequence[str] | None = None,
        provenance: Mapping[str, Any] | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory = writable_place(directory, "directory", storage_options)
        self.roles = Roles(
            as_structure(inputs, "inputs"),
            as_structure(targets, "targets"),
            as_structure(sample_weights, "sample_weights"),
        )
        self.classes = _plain_names(classes, "classes")
        self.vocabulary = _plain_names(vocabulary, "vocabulary")
        self.provenance = dict(provenance or {})
        words = self.vocabulary or []
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise TypeError("`vocabulary` must be a list of words (str), such as ['', 'the'].")
        for name, value in (
            ("classes", self.classes),
            ("vocabulary", self.vocabulary),
            ("provenance", self.provenance),
        ):
            try:
                json.dumps(value)
            except (TypeError, ValueError) as error:
                raise TypeError(f"`{name}` must be plain JSON: {error}") from error
        self.fields: dict[str, Field] = {}
        self.columns: dict[str, Field] = {}
        self.shards: list[ShardInfo] = []
        self.index: ShardIndex | None = None
        self._class_counts: list[list[int] | None] = []
        self.mark = WritingMark(self.directory, "ShardWriter")

    def write(
        self,
        arrays: Mapping[str, npt.ArrayLike | Ragged],
        *,
        variant: int = 0,
        columns: Mapping[str, Any] = MappingProxyType({}),
    ) -> ShardInfo:
        """Writes one shard. Its metadata column `row` numbers the rows of a variant from 0.

        Args:
            arrays: field name -> array of shape `(rows, ...)`. Rows of any length are `Ragged`, or
                lists or arrays of different length. A field that has them in the first shard has
                them in all, also where lists happen to have one length.
            variant: number of the augmented copy of the data that it belongs to. Defaults to `0`.
            columns: metadata columns, name -> one number or one text per row, such as the `file`
                of each row. They describe the rows and are never inputs. Every shard has the same.
                Defaults to `{}`.

        Returns:
            The `ShardInfo` that the index will hold.

        Raises:
            ShardError: if the arrays cannot be stored as one shard, or do not match the roles, the
                classes or the first shard.
            ValueError: if the writer is closed.
            OSError: if the file cannot be written; then no part of it remains, and the same call
                can be made again.
        """
        if self.index is not None:
            raise ValueError(f"{self.directory}: the writer is closed; its index is written.")
        variant = checked_int(variant, "variant", 0)
        name = shard_name(sum(info.variant == variant for info in self.shards), variant)
        native = as_stored(arrays, name, self.fields)
        fields = self._checked_fields(name, arrays, native)
        described = self._checked_columns(name, native, columns, variant)
        counts = count_classes(native, self.roles)
        try:
            check_classes(native, self.roles, self.classes)
            add_counts([counts], self.classes)
        except ShardError as error:
            raise ShardError(f"{self.directory / name}: {error}") from error
        info = write_shard(self.directory, name, native, variant=variant, columns=described)
        self.fields = fields
        self.columns = describe_columns(described)
        self.shards.append(info)
        if variant == 0:
            self._class_counts.append(counts)
        return info

    def close(self) -> ShardIndex:
        """Writes the index, which completes the set; no more shards can be written.

        Returns:
            The index.

        Raises:
            ShardError: if no shard was written, or the variants differ in length.
        """
        if self.index is not None:
            return self.index
        if not self.shards:
            raise ShardError(f"{self.directory}: nothing was written, so there is no index.")
        variants = 1 + max(info.variant for info in self.shards)
        rows = [
            sum(info.samples for info in self.shards if info.variant == variant)
            for variant in range(variants)
        ]
        if len(set(rows)) > 1:
            raise ShardError(
                f"{self.directory}: the variants must have the same number of rows. Received: "
                f"{rows}"
            )
        index = ShardIndex.from_shards(
            self.directory,
            self.fields,
            self.shards,
            self.columns,
            roles=self.roles,
            classes=self.classes,
            class_counts=add_counts(self._class_counts, self.classes),
            vocabulary=self.vocabulary,
            variants=variants,
            provenance=self.provenance,
        )
        self.mark.check()
        index.save()
        self.mark.remove()
        self.index = index
        return index

    def __repr__(self) -> str:
        state = "closed" if self.index is not None else "open"
        shards = format_count(len(self.shards), "shard")
        return f"ShardWriter({str(self.directory)!r}: {shards}, {state})"

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self.mark.release()

    def _checked_fields(
        self, name: str, given: Mapping[str, Any], arrays: Mapping[str, Array | Ragged]
    ) -> dict[str, Field]:
        """Returns the fields of a shard, which must be those of the first one."""
        fields = describe_fields(arrays)
        if not self.shards:
            missing = [role for role in self.roles.names if role not in fields]
            if missing:
                raise ShardError(
                    f"{self.directory / name}: the roles name {missing}, but the arrays are "
                    f"{list(fields)}."
                )
            for role in self.roles.names:
                rows = arrays[role]
                problem = numeric_problem(rows.values if isinstance(rows, Ragged) else rows)
                if problem is None and role in field_names(self.roles.targets):
                    problem = list_target_problem(given[role], rows)
                if problem is not None:
                    raise ShardError(f"{self.directory / name}: field {role!r} {problem}.")
            try:
                check_weight_roles(self.roles, ragged_names(arrays))
            except ValueError as error:
                raise ShardError(f"{self.directory / name}: {error}.") from error
        elif fields != self.fields:
            changed = any(
                self.fields[field].is_ragged != fields[field].is_ragged
                for field in self.fields.keys() & fields.keys()
            )
            remedy = (
                " Rows of any length must be lists of different length or `Ragged` in every "
                "shard: Ragged.from_rows(rows)."
            )
            raise ShardError(
                f"{self.directory}: every shard must hold the same fields. {name} has "
                f"{format_fields(fields)}; {self.shards[0].name} has "
                f"{format_fields(self.fields)}.{remedy if changed else ''}"
            )
        return fields

    def _checked_columns(
        self,
        name: str,
        arrays: Mapping[str, Array | Ragged],
        columns: Mapping[str, Any],
        variant: int,
    ) -> dict[str, Array]:
        """Returns the metadata columns of a shard, which must be those of the first one."""
        rows = len(next(iter(arrays.values())))
        written = sum(info.samples for info in self.shards if info.variant == variant)
        try:
            check_field_names(arrays, (ROW, *columns))
            described = {
                ROW: np.arange(written, written + rows),
                **{key: as_column(column, key) for key, column in columns.items()},
            }
        except ValueError as error:
            raise ShardError(f"{self.directory / name}: {error}") from error
        found = describe_columns(described)
        if self.shards and found != self.columns:
            raise ShardError(
                f"{self.directory}: every shard must have the same metadata columns. {name} has "
                f"{format_fields(found)}; {self.shards[0].name} has "
                f"{format_fields(self.columns)}."
            )
        return described


def _plain_names(names: Any, argument: str) -> Any:
    """Returns names of classes or words as plain JSON: NumPy scalars become Python values."""
    if isinstance(names, Mapping):
        return {field: _plain_names(part, argument) for field, part in names.items()}
    if isinstance(names, str | bytes):
        raise TypeError(f"`{argument}` must be a list. Received: {argument}={names!r:.80}")
    if names is None:
        return None
    return [name.item() if isinstance(name, np.generic) else name for name in names]
