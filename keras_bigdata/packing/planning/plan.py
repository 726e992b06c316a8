"""The plan of a pack, made before the first shard is written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from keras_bigdata.errors import PackError
from keras_bigdata.packing.calls.request import PackRequest
from keras_bigdata.packing.forms.decided_forms import STORED
from keras_bigdata.packing.identity.fingerprint import Fingerprint
from keras_bigdata.packing.planning.ragged_fields import check_declared, measure_forms
from keras_bigdata.packing.planning.renumbering import Renumbering
from keras_bigdata.packing.planning.row_columns import columns_of_rows
from keras_bigdata.packing.samples.samples import (
    Array,
    AugmentFunction,
    augment_sample,
    describe_bad_row,
    read_row,
)
from keras_bigdata.packing.samples.stored_form import StoredForm, is_untyped
from keras_bigdata.packing.sources.base import Source
from keras_bigdata.packing.sources.default_roles import default_roles
from keras_bigdata.packing.sources.tables.labels import resolve_names
from keras_bigdata.packing.sources.tables.problems import describe_counts
from keras_bigdata.permutation import Rows, shuffled_rows
from keras_bigdata.shards.fields.field_rows import check_weight_roles
from keras_bigdata.shards.fields.metadata_columns import check_field_names, describe_columns
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.index.shard_index import Field

# Size of a shard without `shard_samples`: large enough to be read at the full speed of the disk,
# while 6 of them, the window whose rows are mixed, fit in memory.
SHARD_BYTES = 64 * 1024**2
# A small set is cut into about `FEW_SHARDS` shards of at least this size, so that several workers
# write it.
SMALL_SHARD_BYTES = 4 * 1024**2
FEW_SHARDS = 16

# Maximum number of rows that a message lists.
_LISTED_ROWS = 10


@dataclass(frozen=True, slots=True, eq=False)
class PackPlan:
    """The shards of a pack, and the other content of the index.

    It depends only on the source and the arguments: `pack` and `repair` create the same plan.

    Args:
        shards: the rows of each shard, in order: int64 arrays of row numbers in the source.
        fields: name -> `Field` as it is stored, after `augment`.
        columns: name -> `Field` of the metadata columns; empty if the rows are written without any,
            as releases before them did.
        roles: which fields are inputs, targets and sample weights.
        classes: names of the classes, or a dict of such lists. `None` if the source has none.
        vocabulary: the word that token i stands for. `None` if the source has none.
        seed: seed of the order and of `augment`.
        variants: number of augmented copies.
        augment: the function that augments a sample, or `None`.
        shard_samples: rows per shard; the last one may have fewer.
        fingerprint: the identity of the pack.
        number: number of the pack, as in `ShardInfo.source`. Defaults to `0`.
        first_shard: number of the first shard in the directory. Defaults to `0`.
        renumbering: the numbers that classes and words have in the set that the source is appended
            to. Defaults to `None`: their own.
        text_fields: the fields of token ids, as the source declares them. Defaults to `None`.
        forms: field -> `StoredForm`, as it was decided. Defaults to `{}`.
        stored: the record of these forms, as `DecidedForms.record`. Defaults to `{}`.
    """

    shards: Sequence[Rows]
    fields: dict[str, Field]
    columns: dict[str, Field]
    roles: Roles
    classes: Any
    vocabulary: list[str] | None
    seed: int
    variants: int
    augment: AugmentFunction | None
    shard_samples: int
    fingerprint: Fingerprint
    number: int = 0
    first_shard: int = 0
    renumbering: Renumbering | None = None
    text_fields: Sequence[str] | None = None
    forms: Mapping[str, StoredForm] = field(default_factory=dict)
    stored: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> dict[str, Any]:
        """The record of the pack for manifest and index: its fingerprint, and its stored forms."""
        stored = {STORED: dict(self.stored)} if self.stored else {}
        return {**self.fingerprint.content, **stored}

    @classmethod
    def make(cls, request: PackRequest, *, skip: bool, with_columns: bool = True) -> PackPlan:
        """Creates the plan. Rows are read until the first one that can be read.

        Args:
            request: the source and how it is to be packed.
            skip: whether rows that cannot be read are left out.
            with_columns: whether metadata columns are written. Defaults to `True`.

        Raises:
            PackError: if the source has no rows, if rows are known to be bad, or if the roles
                name fields that the samples do not hold.
            TypeError, ValueError: if the source's `roles`, `classes` or `vocabulary` are not of
                the form that `pack` documents.
        """
        source = request.source
        _check_rows(source, skip)
        fields = _read_fields(request, skip)
        forms = measure_forms(request, fields, request.forms.forms)
        size = request.shard_samples or default_shard_samples(len(source), fields, forms)
        roles = _resolve_roles(request, fields)
        columns = _describe_columns(source, fields) if with_columns else {}
        order = (
            shuffled_rows(len(source), request.seed) if request.shuffle else np.arange(len(source))
        )
        return cls(
            shards=cut_into_shards(order, size),
            fields=fields,
            columns=columns,
            roles=roles,
            classes=_read_classes(source, roles),
            vocabulary=_read_names(source, "vocabulary"),
            seed=request.seed,
            variants=request.variants,
            augment=request.augment,
            shard_samples=size,
            fingerprint=request.fingerprint,
            text_fields=getattr(source, "text_fields", None),
            forms=forms,
            stored=request.forms.record,
        )


def cut_into_shards(rows: Rows, shard_samples: int) -> list[Rows]:
    """Cuts rows into pieces of `shard_samples`; the last one may be shorter."""
    return [rows[start : start + shard_samples] for start in range(0, len(rows), shard_samples)]


def default_shard_samples(
    rows: int, fields: Mapping[str, Field], forms: Mapping[str, StoredForm] = MappingProxyType({})
) -> int:
    """Returns the rows of a shard, the same number on every machine.

    Encoded images count as their pixels, so that their order is the same however they are stored.
    """
    row_bytes = max(
        1,
        sum(
            (forms[name].row_bytes or 0)
            if None in field.shape and name in forms
            else field.row_bytes
            for name, field in fields.items()
        ),
    )
    shard_bytes = min(max(rows * row_bytes // FEW_SHARDS, SMALL_SHARD_BYTES), SHARD_BYTES)
    shards = max(1, round(rows * row_bytes / shard_bytes))
    return -(-rows // shards)


def list_rows(lines: Sequence[str], separator: str = "; ") -> str:
    """Joins the first lines of a list, and adds how many more there are."""
    more = [f"and {len(lines) - _LISTED_ROWS} more"] if len(lines) > _LISTED_ROWS else []
    return separator.join([*lines[:_LISTED_ROWS], *more])


def _check_rows(source: Any, skip: bool) -> None:
    if len(source) == 0:
        raise PackError("the source has no rows.")
    problems: Mapping[int, str] = getattr(source, "problems", {})
    if problems and not skip:
        lines = [f"row {row}: {problems[row]}" for row in sorted(problems)]
        raise PackError(
            f"{len(problems)} of {len(source)} rows cannot be packed. {list_rows(lines)}. "
            f"{_count_by_column(source)}Correct or drop them, or pass "
            'on_error="skip" to leave them out.'
        )


def _count_by_column(source: Any) -> str:
    counts = source.count_problems() if isinstance(source, Source) else {}
    return f"{describe_counts(counts)} " if counts else ""


def _read_fields(request: PackRequest, skip: bool) -> dict[str, Field]:
    """Returns the fields of the first row that can be read: all others must have the same.

    Where it holds an empty list for a row of any length, which has no dtype, the next row that is
    not empty is used for that field.
    """
    first_error = ""
    rows = len(request.source)
    forms = request.forms.forms
    fields: dict[str, Field] = {}
    untyped: set[str] = set()
    for row in range(rows):
        try:
            sample = request.read_first_row() if row == 0 else read_row(request.source, row)
        except PackError as error:
            if not skip:
                raise PackError(describe_bad_row(row, error)) from error
            first_error = first_error or f"row {row}: {error}"
            continue
        sample = _augment_first(request, sample, row)
        found = _fields_of(sample, forms)
        empty = {name for name in found if found[name].is_ragged and is_untyped(sample[name])}
        if not fields:
            fields, untyped = found, empty
        typed = untyped & (found.keys() - empty)
        fields |= {name: found[name] for name in typed}
        untyped -= typed
        if not untyped:
            break
    if not fields:
        raise PackError(f"none of the {rows} rows can be read. {first_error}")
    check_declared(request.source, fields)
    return fields


def _augment_first(request: PackRequest, sample: dict[str, Array], row: int) -> dict[str, Array]:
    try:
        return augment_sample(request.augment, sample, request.seed, row, variant=0)
    except PackError as error:
        raise PackError(f"row {row}, variant 0: after `augment`, {error}") from error


def _fields_of(sample: Mapping[str, Array], forms: Mapping[str, StoredForm]) -> dict[str, Field]:
    return {
        name: forms[name].field(name, value)
        if name in forms
        else Field(name, value.dtype.newbyteorder("="), value.shape)
        for name, value in sample.items()
    }


def _resolve_roles(request: PackRequest, fields: Mapping[str, Field]) -> Roles:
    roles = request.declared_roles
    if roles is None:
        return default_roles(fields)
    missing = [name for name in roles.names if name not in fields]
    if missing:
        raise PackError(f"the roles name {missing}, but the samples hold {list(fields)}.")
    try:
        check_weight_roles(roles, [name for name, field in fields.items() if field.is_ragged])
    except ValueError as error:
        raise PackError(f"the source: {error}.") from error
    return roles


def _describe_columns(source: Any, fields: Mapping[str, Field]) -> dict[str, Field]:
    """Returns the metadata columns, none of which may have the name of a field."""
    columns = describe_columns(columns_of_rows(source, [0], [0]))
    try:
        check_field_names(fields, columns)
    except ValueError as error:
        raise PackError(f"the source: {error}") from error
    return columns


def _read_classes(source: Any, roles: Roles) -> Any:
    """Returns the source's classes; by field, if they are not those of the only target."""
    classes = _read_names(source, "classes")
    if not isinstance(source, Source) or not isinstance(classes, list):
        return classes
    is_other = isinstance(roles.targets, str) and roles.targets != source.class_field
    return {source.class_field: classes} if is_other else classes


def _read_names(source: Any, attribute: str) -> Any:
    """Returns the source's classes or vocabulary as JSON."""
    value = getattr(source, attribute, None)
    if value is None:
        return None
    where = f"source.{attribute}"
    names: Any
    if isinstance(value, Mapping):
        names = {
            str(key): resolve_names(part, attribute, f"{where}[{key!r}]")
            for key, part in value.items()
        }
    else:
        names = resolve_names(source, attribute, where)
    try:
        json.dumps(names)
    except (TypeError, ValueError) as error:
        raise TypeError(f"`{where}` must hold plain JSON values: {error}") from error
    return names
