"""The index of a set of shards: what `index.json` holds."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.files import atomic_path
from keras_bigdata.shards.index_json import (
    LARGEST,
    check_about,
    int_column,
    names_inside,
    row_dtype,
    row_shape,
)
from keras_bigdata.shards.roles import Roles

INDEX_NAME = "index.json"

# What `pack` keeps beside shards that have no index yet.
UNFINISHED = ".packing"

# The same, of a `ShardWriter`.
WRITING = ".writing"

FORMAT = "keras_bigdata"
VERSION = 1

# In `ShardIndex.offsets`: the field does not lie in the file as raw rows in native byte
# order, so the shard has to be decoded whole to read it.
DECODED = -1
# Copies that an index without a shard may have.
MAX_EMPTY_VARIANTS = 1_000

# In `ShardIndex.checksums`: not known.
NO_CHECKSUM = -1

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Field:
    """One named array of the samples.

    Args:
        name: the key in the pickled dict.
        dtype: NumPy dtype, in native byte order.
        shape: shape of one row, without the first dimension.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.dtype.itemsize * math.prod(self.shape)

    def __str__(self) -> str:
        rows = ", ".join(("rows", *map(str, self.shape)))
        return f"{self.name!r}: {self.dtype} ({rows})"


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """One shard.

    Args:
        name: path below the index's directory, with `/`.
        samples: number of rows.
        bytes: size of the file.
        offsets: per field, the byte position of its first row, or -1 where the
            shard has to be decoded whole.
        checksum: CRC-32 of the whole file. Defaults to `None`, not known.
        variant: which augmented copy of the data it belongs to. Defaults to `0`.
    """

    name: str
    samples: int
    bytes: int
    offsets: Mapping[str, int]
    checksum: int | None = None
    variant: int = 0


@dataclass(eq=False)
class ShardIndex:
    """What is known of a set of shards. Kept by column: 100,000 shards open fast.

    Args:
        directory: folder that the names are relative to.
        fields: name -> `Field`.
        names, samples, sizes, checksums, variant: one entry a shard.
        offsets: per field, one entry a shard.
        roles: which fields are inputs, targets and sample weights.
        classes: the label that class i stands for; a dict of field -> such a list where several
            fields are labels. Defaults to `None`.
        class_counts: samples of class i (first variant). Defaults to `None`.
        vocabulary: the word that token i stands for. Defaults to `None`.
        variants: number of augmented copies. Defaults to `1`.
        provenance: how the shards were written, for people. Defaults to `{}`.
        mtimes_ns: modification times in ns, one a shard, where the shards were scanned by
            this process; never saved, because copying a file changes it.
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

    @classmethod
    def from_shards(
        cls,
        directory: str | os.PathLike[str],
        fields: Mapping[str, Field],
        shards: Iterable[ShardInfo],
        **about: Any,
    ) -> ShardIndex:
        """Builds the columns from one `ShardInfo` a shard."""
        infos = list(shards)
        return cls(
            directory=Path(directory),
            fields=dict(fields),
            names=[info.name for info in infos],
            samples=int_column(info.samples for info in infos),
            sizes=int_column(info.bytes for info in infos),
            offsets={name: int_column(info.offsets[name] for info in infos) for name in fields},
            checksums=int_column(
                NO_CHECKSUM if info.checksum is None else info.checksum for info in infos
            ),
            variant=int_column(info.variant for info in infos),
            **about,
        )

    def __getstate__(self) -> dict[str, Any]:
        # On another machine the files have other times.
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

    def path(self, shard: int) -> Path:
        """Where shard number `shard` lies."""
        return self.directory / self.names[shard]

    @property
    def num_samples(self) -> int:
        """Rows in one variant, which is what one epoch serves."""
        return int(self.samples[self.variant == 0].sum())

    def save(self) -> None:
        """Writes `index.json` into the directory, atomically."""
        content = {
            "format": FORMAT,
            "version": VERSION,
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
        """Reads `index.json` of a directory and checks that it makes sense."""
        # Absolute: the working directory may change before a shard is read.
        directory = Path(os.path.abspath(directory))
        path = directory / INDEX_NAME
        try:
            # As text: from bytes, json would guess the encoding and import it.
            content = json.loads(path.read_bytes().decode("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CorruptShardError(
                f"{path}: the index cannot be read ({_short(error)}). Restore it, or delete it and "
                "pass `inputs` and `targets`: the shards are then scanned instead."
            ) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CorruptShardError(
                f"{path}: this is no index of keras_bigdata. Move it, or pass a list of the shards."
            )
        if content.get("version") != VERSION:
            raise ShardError(
                f"{path}: the index has version {_short(repr(content.get('version')))}; this "
                f"release reads version {VERSION}. Install a release that matches, or pack the "
                "data again."
            )
        try:
            return cls._from_content(directory, content)
        except (
            KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError
        ) as error:  # fmt: skip
            raise CorruptShardError(
                f"{path}: the index is damaged ({type(error).__name__}: {_short(error)}). "
                "Restore it, or delete it and pass `inputs` and `targets`: the shards are then "
                "scanned instead."
            ) from error

    @classmethod
    def _from_content(cls, directory: Path, content: dict[str, Any]) -> ShardIndex:
        fields = {name: _field(name, entry) for name, entry in content["fields"].items()}
        shards = content["shards"]
        about = (content[name] for name in ("classes", "class_counts", "vocabulary", "made"))
        check_about(*about)
        index = cls(
            directory=directory,
            fields=fields,
            names=names_inside(shards["name"]),
            samples=int_column(shards["samples"]),
            sizes=int_column(shards["bytes"]),
            offsets={name: int_column(shards["offset"][name]) for name in fields},
            checksums=int_column(shards["crc32"]),
            variant=int_column(shards["variant"]),
            roles=Roles.from_json(content["roles"]),
            classes=content["classes"],
            class_counts=content["class_counts"],
            vocabulary=content["vocabulary"],
            variants=int(content["variants"]),
            provenance=content["made"],
        )
        index._check()
        return index

    def _check(self) -> None:
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
        # Sums of them are taken in 64 bits.
        if max(self.samples.sum(dtype=np.float64), self.sizes.sum(dtype=np.float64)) > LARGEST:
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
                raise ValueError(f"a role names {name!r}, which is no field")
        for name, offsets in self.offsets.items():
            stored = offsets != DECODED
            # Divided, not multiplied: rows * bytes may pass 64 bits in a damaged index.
            room = (self.sizes - offsets) // max(self.fields[name].row_bytes, 1)
            if (offsets < DECODED).any() or (stored & (offsets > self.sizes)).any():
                raise ValueError(f"the rows of {name!r} do not fit their files")
            if self.fields[name].row_bytes and (stored & (self.samples > room)).any():
                raise ValueError(f"the rows of {name!r} do not fit their files")


def _field(name: str, entry: Mapping[str, Any]) -> Field:
    dtype = row_dtype(entry["dtype"])
    return Field(name, dtype, row_shape(entry["shape"], dtype.itemsize))


def _short(reason: object) -> str:
    """A reason that may quote what somebody else wrote."""
    return str(reason)[:300].encode("utf-8", "backslashreplace").decode()
