"""The index of a set of shards: the content of `index.json`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from keras_bigdata import __version__
from keras_bigdata.representation import (
    format_bytes,
    format_count,
    html_table,
    list_some,
    shorten,
)
from keras_bigdata.shards.fields.entries import Field, ShardInfo
from keras_bigdata.shards.fields.roles import Roles, Structure, field_names
from keras_bigdata.shards.fields.standard_fields import class_field
from keras_bigdata.shards.index.index_checks import (
    DECODED,
    check_encoded_sizes,
    check_offsets_in_files,
    check_shard_columns,
    check_variants,
)
from keras_bigdata.shards.index.index_columns import (
    pack_column,
    pack_names,
    unpack_column,
    unpack_names,
)
from keras_bigdata.shards.index.index_file import (
    FORMAT,
    INDEX_NAME,
    damage_reported,
    excerpt,
    read_index_file,
    write_index_file,
)
from keras_bigdata.shards.index.index_values import (
    Int64Array,
    as_int_column,
    check_metadata,
    field_to_json,
    parse_column,
    parse_field,
)
from keras_bigdata.storage.paths.place import Place, absolute_place, of_set
from keras_bigdata.storage.paths.remote_path import RemotePath

__all__ = [
    "DECODED",
    "FORMAT",
    "INDEX_NAME",
    "Field",
    "Int64Array",
    "ShardIndex",
    "ShardInfo",
]

# Stands for an unknown checksum in `ShardIndex.checksums`.
NO_CHECKSUM = -1


@dataclass(eq=False, repr=False)
class ShardIndex:
    """The index of a set of shards, stored by column so that 100,000 shards open fast.

    `index[i]` is the `ShardInfo` of shard `i`; `len(index)` is the number of shards.

    Args:
        directory: directory that the names are relative to, a `Path` or `RemotePath`.
        fields: name -> `Field`.
        names, samples, sizes, checksums, variant: one entry per shard.
        offsets: per field, one entry per shard.
        roles: which fields are inputs, targets and sample weights.
        classes: the label that class i stands for; a dict of field -> such a list if several
            fields are labels. Defaults to `None`.
        class_counts: number of rows of class i (in the first variant). Defaults to `None`.
        vocabulary: the word that token i stands for. Defaults to `None`.
        variants: number of augmented copies. Defaults to `1`.
        provenance: how the shards were written, for information. Defaults to `{}`.
        mtimes_ns: modification times in ns, one per shard, if the shards were scanned by this
            process; never saved, because copying a file changes it. Defaults to `None`.
        skipped_fields: name -> reason, for arrays of scanned shards that cannot be used as
            fields. Defaults to `{}`.
        columns: name -> `Field` of the metadata columns, which describe rows and are never inputs,
            such as the number in the source (`row`) and the `file`. Defaults to `{}`.
        row_offsets: per field or column of variable length, the byte position of the offsets of its
            rows in each shard. Defaults to `{}`.
        source: number of the pack that wrote each shard. Defaults to `None`: 0 for all.
        writer_version: version of keras_bigdata that wrote `index.json`; `None` if the index was
            not written, or was written before the version was recorded. Defaults to `None`.

    Example:

    ```python
    pack(Arrays(x=x, labels=y), "shards/train")
    index = ShardIndex.load("shards/train")
    print(index.num_samples, index.fields["x"].shape, index.class_counts)
    print(index[0].samples, index.path(0))
    ```
    """

    directory: Place
    fields: dict[str, Field]
    names: list[str]
    samples: Int64Array
    sizes: Int64Array
    offsets: dict[str, Int64Array]
    checksums: Int64Array
    variant: Int64Array
    roles: Roles = field(default_factory=Roles)
    classes: Any = None
    class_counts: list[int] | None = None
    vocabulary: list[str] | None = None
    variants: int = 1
    provenance: dict[str, Any] = field(default_factory=dict)
    mtimes_ns: Int64Array | None = None
    skipped_fields: dict[str, str] = field(default_factory=dict)
    writer_version: str | None = None
    columns: dict[str, Field] = field(default_factory=dict)
    row_offsets: dict[str, Int64Array] = field(default_factory=dict)
    # `None` only as an argument: an index has an array.
    source: Int64Array = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.source is None:
            self.source = np.zeros(len(self.names), np.int64)

    @classmethod
    def from_shards(
        cls,
        directory: str | os.PathLike[str] | Place,
        fields: Mapping[str, Field],
        shards: Iterable[ShardInfo],
        columns: Mapping[str, Field] = MappingProxyType({}),
        **metadata: Any,
    ) -> ShardIndex:
        """Creates an index from one `ShardInfo` per shard.

        Args:
            directory: directory that the names are relative to.
            fields: name -> `Field`.
            shards: the shards.
            columns: name -> `Field` of the metadata columns. Defaults to `{}`.
            **metadata: the other arguments of `ShardIndex`.
        """
        infos = list(shards)
        return cls(
            directory=Path(directory) if isinstance(directory, str | os.PathLike) else directory,
            fields=dict(fields),
            names=[info.name for info in infos],
            samples=as_int_column(info.samples for info in infos),
            sizes=as_int_column(info.bytes for info in infos),
            offsets={
                name: as_int_column(info.offsets[name] for info in infos)
                for name in (*fields, *columns)
            },
            row_offsets={
                name: as_int_column(info.row_offsets[name] for info in infos)
                for name, field in {**fields, **columns}.items()
                if field.is_varlen
            },
            columns=dict(columns),
            source=as_int_column(info.source for info in infos),
            checksums=as_int_column(
                NO_CHECKSUM if info.checksum is None else info.checksum for info in infos
            ),
            variant=as_int_column(info.variant for info in infos),
            **metadata,
        )

    def __getstate__(self) -> dict[str, Any]:
        # On another machine the files have different times.
        return {**self.__dict__, "mtimes_ns": None}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, shard: int) -> ShardInfo:
        checksum = int(self.checksums[shard])
        return ShardInfo(
            name=self.names[shard],
            samples=int(self.samples[shard]),
            bytes=int(self.sizes[shard]),
            offsets={name: int(column[shard]) for name, column in self.offsets.items()},
            checksum=None if checksum == NO_CHECKSUM else checksum,
            variant=int(self.variant[shard]),
            row_offsets={name: int(column[shard]) for name, column in self.row_offsets.items()},
            source=int(self.source[shard]),
        )

    def __repr__(self) -> str:
        return (
            f"ShardIndex({shorten(self.directory)!r}: {self._describe_rows()}, "
            f"{format_count(len(self.fields), 'field')})"
        )

    def _repr_html_(self) -> str:
        classes: Any = self.classes
        if isinstance(classes, dict):
            classes = {name: _describe_list(names) for name, names in classes.items()}
        elif classes is not None:
            classes = _describe_list(classes)
        return html_table(
            "ShardIndex",
            {
                "directory": self.directory,
                "rows": self._describe_rows(),
                "size": format_bytes(int(self.sizes.sum())),
                "fields": list(self.fields.values()),
                "metadata columns": list(self.columns.values()) or None,
                **self.roles.to_json(),
                "classes": classes,
                "rows per class": self.class_counts and list_some(self.class_counts),
                "vocabulary": self.vocabulary and _describe_list(self.vocabulary),
                "skipped fields": self.skipped_fields or None,
                "written by": self.writer_version and f"keras_bigdata {self.writer_version}",
            },
        )

    def _describe_rows(self) -> str:
        variants = f" in each of {self.variants} variants" if self.variants > 1 else ""
        rows = format_count(self.num_samples, "row")
        return f"{rows}{variants} in {format_count(len(self), 'shard')}"

    def path(self, shard: int) -> Path | RemotePath:
        """Returns the path of shard number `shard`; of a set behind a URL a `RemotePath`."""
        return self.directory / self.names[shard]

    def classes_of(self, targets: Structure | None) -> Any:
        """Returns the classes of some targets, which may differ from those of the index.

        Args:
            targets: name of a field, or a tuple or dict of names.

        Returns:
            The label of each class; a dict of field -> such a list if several of the fields are
            labels; `None` if the classes of these targets are unknown.
        """
        if self.classes is None:
            return None
        if isinstance(self.classes, dict):
            if isinstance(targets, str):
                return self.classes.get(targets)
            known = {
                name: self.classes[name] for name in field_names(targets) if name in self.classes
            }
            return known or None
        # One list belongs to the only target, or to the field that sources call "labels".
        return self.classes if class_field(self.roles.targets) in field_names(targets) else None

    @property
    def num_samples(self) -> int:
        """Rows in one variant, which is the number of rows in an epoch."""
        return int(self.samples[self.variant == 0].sum())

    def save(self) -> None:
        """Writes `index.json` into the directory, atomically."""
        self.writer_version = __version__
        content = {
            "writer": self.writer_version,
            "num_samples": self.num_samples,
            "fields": {name: field_to_json(each) for name, each in self.fields.items()},
            "columns": {
                name: {"dtype": np.lib.format.dtype_to_descr(column.dtype), "codec": column.codec}
                for name, column in self.columns.items()
            },
            "roles": self.roles.to_json(),
            "classes": self.classes,
            "class_counts": self.class_counts,
            "vocabulary": self.vocabulary,
            "variants": self.variants,
            "made": self.provenance,
            "shards": {
                "name": pack_names(self.names),
                "samples": pack_column(self.samples),
                "bytes": pack_column(self.sizes),
                # Always a list: it bounds the number of shards by the size of the file.
                "crc32": self.checksums.tolist(),
                "variant": pack_column(self.variant),
                "source": pack_column(self.source),
                "offset": {name: pack_column(column) for name, column in self.offsets.items()},
                "row_offset": {name: pack_column(each) for name, each in self.row_offsets.items()},
            },
        }
        write_index_file(self.directory, content)

    @classmethod
    def load(
        cls,
        directory: str | os.PathLike[str] | RemotePath,
        *,
        storage_options: Mapping[str, Any] | None = None,
    ) -> ShardIndex:
        """Reads and checks the `index.json` of a directory.

        Args:
            directory: directory of the shards, a path or a URL.
            storage_options: options of the fsspec driver of a URL. Defaults to `None`.

        Returns:
            The index, with an absolute directory.

        Raises:
            CorruptShardError: if the index is missing or damaged.
            ShardError: if the index was written by a newer release, or may not be read.
            StorageError: if a URL cannot be read.
        """
        place = absolute_place(directory, "directory", storage_options)
        content = read_index_file(place)
        with damage_reported(place):
            return cls._from_content(place, content)

    @classmethod
    def _from_content(cls, directory: Place, content: dict[str, Any]) -> ShardIndex:
        fields = {name: parse_field(name, entry) for name, entry in content["fields"].items()}
        columns = {
            name: parse_column(name, entry) for name, entry in content.get("columns", {}).items()
        }
        both = columns.keys() & fields.keys()
        if both:
            raise ValueError(f"{excerpt(sorted(both)[0])!r} is a field and a metadata column")
        shards = content["shards"]
        metadata = {
            "classes": content["classes"],
            "class_counts": content["class_counts"],
            "vocabulary": content["vocabulary"],
            "provenance": content["made"],
        }
        check_metadata(**metadata, writer=(writer := content.get("writer")))
        checksums = as_int_column(shards["crc32"])
        count = len(checksums)
        offsets, row_offsets = shards["offset"], shards.get("row_offset", {})
        source = unpack_column(shards["source"], count) if "source" in shards else None
        index = cls(
            directory=of_set(directory, checksums),
            fields=fields,
            columns=columns,
            names=unpack_names(shards["name"], count),
            samples=unpack_column(shards["samples"], count),
            sizes=unpack_column(shards["bytes"], count),
            offsets={name: unpack_column(offsets[name], count) for name in (*fields, *columns)},
            row_offsets={
                name: unpack_column(row_offsets[name], count)
                for name, each in (fields | columns).items()
                if each.is_varlen
            },
            checksums=checksums,
            variant=unpack_column(shards["variant"], count),
            source=source,  # type: ignore[arg-type]
            roles=Roles.from_json(content["roles"]),
            variants=int(content["variants"]),
            writer_version=writer,
            **metadata,
        )
        index._check()
        rows = content["num_samples"]
        if type(rows) is not int or rows != index.num_samples:
            raise ValueError(
                f"it has {excerpt(repr(rows))} rows, and its shards have {index.num_samples}"
            )
        return index

    def _check(self) -> None:
        """Checks that the columns agree with one another and with the limits."""
        check_shard_columns(
            len(self.names),
            samples=self.samples,
            sizes=self.sizes,
            checksums=self.checksums,
            variant=self.variant,
            source=self.source,
            offsets=self.offsets,
            row_offsets=self.row_offsets,
        )
        check_variants(self.samples, self.variant, self.variants, len(self.names))
        for name in self.roles.names:
            if name not in self.fields:
                raise ValueError(f"a role names {name!r}, which is not a field")
        row_bytes = {
            name: each.stored_row_bytes for name, each in (self.fields | self.columns).items()
        }
        check_offsets_in_files(self.samples, self.sizes, self.offsets, row_bytes)
        lengths = dict.fromkeys(self.row_offsets, np.dtype(np.int64).itemsize)
        check_offsets_in_files(self.samples + 1, self.sizes, self.row_offsets, lengths)
        for name, each in self.fields.items():
            if each.is_encoded:
                check_encoded_sizes(self.samples, self.sizes, self.offsets[name], each)


def _describe_list(values: list[Any]) -> str:
    return f"{len(values):,} ({list_some(values)})"
