"""The index of a set of shards: the content of `index.json`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata import __version__
from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.files import atomic_path, local_path
from keras_bigdata.representation import (
    format_bytes,
    format_count,
    html_table,
    list_some,
    shorten,
)
from keras_bigdata.shards.entries import Field, ShardInfo
from keras_bigdata.shards.index_json import (
    MAX_TOTAL,
    as_int_column,
    check_metadata,
    check_names,
    parse_dtype,
    parse_shape,
)
from keras_bigdata.shards.roles import Roles, Structure, field_names

__all__ = ["Field", "ShardIndex", "ShardInfo"]

INDEX_NAME = "index.json"

FORMAT = "keras_bigdata"
VERSION = 1

# In `ShardIndex.offsets`: the field does not lie in the file as raw rows in native byte order, so
# that the whole shard has to be decoded to read it.
DECODED = -1
# Maximum number of variants of an index without any shard.
MAX_EMPTY_VARIANTS = 1_000

# In `ShardIndex.checksums`: unknown.
NO_CHECKSUM = -1

Int64Array = npt.NDArray[np.int64]


@dataclass(eq=False, repr=False)
class ShardIndex:
    """The index of a set of shards, stored by column so that 100,000 shards open fast.

    `index[i]` is the `ShardInfo` of shard `i`; `len(index)` is the number of shards.

    Args:
        directory: directory that the names are relative to.
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
        writer_version: version of keras_bigdata that wrote `index.json`; `None` if it was not
            written, or by version 0.1.0, which did not record it. Defaults to `None`.

    Example:

    ```python
    pack(Arrays(x=x, labels=y), "shards/train")
    index = ShardIndex.load("shards/train")
    print(index.num_samples, index.fields["x"].shape, index.class_counts)
    print(index[0].samples, index.path(0))
    ```
    """

    directory: Path
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

    @classmethod
    def from_shards(
        cls,
        directory: str | os.PathLike[str],
        fields: Mapping[str, Field],
        shards: Iterable[ShardInfo],
        **metadata: Any,
    ) -> ShardIndex:
        """Creates an index from one `ShardInfo` per shard.

        Args:
            directory: directory that the names are relative to.
            fields: name -> `Field`.
            shards: the shards.
            **metadata: the other arguments of `ShardIndex`.
        """
        infos = list(shards)
        return cls(
            directory=Path(directory),
            fields=dict(fields),
            names=[info.name for info in infos],
            samples=as_int_column(info.samples for info in infos),
            sizes=as_int_column(info.bytes for info in infos),
            offsets={name: as_int_column(info.offsets[name] for info in infos) for name in fields},
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

    def path(self, shard: int) -> Path:
        """Returns the path of shard number `shard`."""
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
        owner = self.roles.targets if isinstance(self.roles.targets, str) else "labels"
        return self.classes if owner in field_names(targets) else None

    @property
    def num_samples(self) -> int:
        """Rows in one variant, which is the number of rows in an epoch."""
        return int(self.samples[self.variant == 0].sum())

    def save(self) -> None:
        """Writes `index.json` into the directory, atomically."""
        self.writer_version = __version__
        content = {
            "format": FORMAT,
            "version": VERSION,
            "writer": self.writer_version,
            "num_samples": self.num_samples,
            "fields": {
                name: {
                    "dtype": np.lib.format.dtype_to_descr(column.dtype),
                    "shape": column.shape,
                }
                for name, column in self.fields.items()
            },
            "roles": self.roles.to_json(),
            "classes": self.classes,
            "class_counts": self.class_counts,
            "vocabulary": self.vocabulary,
            "variants": self.variants,
            "made": self.provenance,
            "shards": {
                "name": self.names,
                "samples": self.samples.tolist(),
                "bytes": self.sizes.tolist(),
                "crc32": self.checksums.tolist(),
                "variant": self.variant.tolist(),
                "offset": {name: column.tolist() for name, column in self.offsets.items()},
            },
        }
        with atomic_path(self.directory / INDEX_NAME) as temporary:
            Path(temporary).write_text(json.dumps(content, separators=(",", ":")), "utf-8")

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> ShardIndex:
        """Reads and checks the `index.json` of a directory.

        Args:
            directory: directory of the shards.

        Returns:
            The index, with an absolute directory.

        Raises:
            CorruptShardError: if the index is missing or damaged.
            ShardError: if the index was written by a newer release, or may not be read.
            ValueError: if `directory` is a URL.
        """
        # Absolute: the working directory may change before a shard is read.
        directory = Path(os.path.abspath(local_path(directory, "directory")))
        path = directory / INDEX_NAME
        try:
            # As text: from bytes, json would guess the encoding and import it.
            content = json.loads(path.read_bytes().decode("utf-8"))
        except PermissionError as error:  # it is not lost, and must not be written again
            raise ShardError(f"{path}: the index may not be read ({error.strerror}).") from error
        except (OSError, ValueError, RecursionError) as error:
            raise CorruptShardError(
                f"{path}: the index cannot be read ({_excerpt(error)}). Restore it, or delete it "
                "and pass `inputs` and `targets`: the shards are then scanned instead."
            ) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CorruptShardError(
                f"{path}: is not an index of keras_bigdata. Move it, or pass a list of the shards."
            )
        if content.get("version") != VERSION:
            writer = content.get("writer")
            release = f"keras_bigdata {_excerpt(writer)}" if writer else "a release that matches"
            raise ShardError(
                f"{path}: the index has version {_excerpt(repr(content.get('version')))}; this "
                f"release reads version {VERSION}. Install {release}, or pack the data again."
            )
        try:
            return cls._from_content(directory, content)
        except (
            KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError
        ) as error:  # fmt: skip
            raise CorruptShardError(
                f"{path}: the index is damaged ({type(error).__name__}: {_excerpt(error)}). "
                "Restore it, or delete it and pass `inputs` and `targets`: the shards are then "
                "scanned instead."
            ) from error

    @classmethod
    def _from_content(cls, directory: Path, content: dict[str, Any]) -> ShardIndex:
        fields = {name: _parse_field(name, entry) for name, entry in content["fields"].items()}
        shards = content["shards"]
        metadata = {
            "classes": content["classes"],
            "class_counts": content["class_counts"],
            "vocabulary": content["vocabulary"],
            "provenance": content["made"],
        }
        writer = content.get("writer")
        check_metadata(**metadata, writer=writer)
        index = cls(
            directory=directory,
            fields=fields,
            names=check_names(shards["name"]),
            samples=as_int_column(shards["samples"]),
            sizes=as_int_column(shards["bytes"]),
            offsets={name: as_int_column(shards["offset"][name]) for name in fields},
            checksums=as_int_column(shards["crc32"]),
            variant=as_int_column(shards["variant"]),
            roles=Roles.from_json(content["roles"]),
            variants=int(content["variants"]),
            writer_version=writer,
            **metadata,
        )
        index._check()
        rows = content["num_samples"]
        if type(rows) is not int or rows != index.num_samples:
            raise ValueError(
                f"it has {_excerpt(repr(rows))} rows, and its shards have {index.num_samples}"
            )
        return index

    def _check(self) -> None:
        """Checks that the columns agree with one another and with the limits."""
        columns = {
            "samples": self.samples,
            "bytes": self.sizes,
            "crc32": self.checksums,
            "variant": self.variant,
            **{f"offset of {name}": column for name, column in self.offsets.items()},
        }
        for name, column in columns.items():
            if column.shape != (len(self.names),):
                raise ValueError(f"{name} has {column.size} entries for {len(self.names)} shards")
        if (self.samples < 0).any() or (self.sizes < 0).any():
            raise ValueError("a shard has a negative size")
        # Their sums are computed in 64 bits.
        total = max(self.samples.sum(dtype=np.float64), self.sizes.sum(dtype=np.float64))
        if total > MAX_TOTAL:
            raise ValueError("the shards are larger than any disk")
        if not 1 <= self.variants <= max(len(self.names), MAX_EMPTY_VARIANTS):
            raise ValueError(f"{self.variants} variants of {len(self.names)} shards")
        if ((self.variant < 0) | (self.variant >= self.variants)).any():
            raise ValueError("a shard's variant is out of range")
        per_variant = np.bincount(
            self.variant, weights=self.samples.astype(np.float64), minlength=self.variants
        )
        if (per_variant != per_variant[0]).any():
            raise ValueError(f"the variants differ in length: {per_variant.astype(int).tolist()}")
        for name in self.roles.names:
            if name not in self.fields:
                raise ValueError(f"a role names {name!r}, which is not a field")
        for name, offsets in self.offsets.items():
            stored = offsets != DECODED
            # Divided, not multiplied: rows * bytes may exceed 64 bits in a damaged index.
            capacity = (self.sizes - offsets) // max(self.fields[name].row_bytes, 1)
            if (offsets < DECODED).any() or (stored & (offsets > self.sizes)).any():
                raise ValueError(f"the rows of {name!r} do not fit their files")
            if self.fields[name].row_bytes and (stored & (self.samples > capacity)).any():
                raise ValueError(f"the rows of {name!r} do not fit their files")


def _parse_field(name: str, entry: Mapping[str, Any]) -> Field:
    dtype = parse_dtype(entry["dtype"])
    return Field(name, dtype, parse_shape(entry["shape"], dtype.itemsize))


def _describe_list(values: list[Any]) -> str:
    return f"{len(values):,} ({list_some(values)})"


def _excerpt(reason: object) -> str:
    """Returns the beginning of a reason, which may quote the content of the file."""
    return str(reason)[:300].encode("utf-8", "backslashreplace").decode()
