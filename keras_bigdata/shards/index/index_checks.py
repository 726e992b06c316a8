"""Checks that the columns of an index agree with one another, and with the sizes of the files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from keras_bigdata.shards.fields.entries import Field
from keras_bigdata.shards.index.index_values import MAX_TOTAL, Int64Array

# Stands in `ShardIndex.offsets` for a field that does not lie in the file as raw rows in native
# byte order: to read it, the whole shard has to be decoded.
DECODED = -1

# Encoded images expand at most this many times: PNG by 1,032, JPEG as it is written here by less.
MAX_EXPANSION = 2_048

# Maximum number of variants of an index without any shard.
MAX_EMPTY_VARIANTS = 1_000


def check_shard_columns(
    shards: int,
    *,
    samples: Int64Array,
    sizes: Int64Array,
    checksums: Int64Array,
    variant: Int64Array,
    source: Int64Array,
    offsets: Mapping[str, Int64Array],
    row_offsets: Mapping[str, Int64Array],
) -> None:
    """Checks that all columns have one entry per shard, of a possible size.

    Raises:
        ValueError: if one does not.
    """
    columns = {
        "samples": samples,
        "bytes": sizes,
        "crc32": checksums,
        "variant": variant,
        "source": source,
        **{f"offset of {name}": column for name, column in offsets.items()},
        **{f"row offset of {name}": column for name, column in row_offsets.items()},
    }
    for name, column in columns.items():
        if column.shape != (shards,):
            raise ValueError(f"{name} has {column.size} entries for {shards} shards")
    if (samples < 0).any() or (sizes < 0).any():
        raise ValueError("a shard has a negative size")
    if (source < 0).any():
        raise ValueError("the number of the pack of a shard is negative")
    # Their sums are computed in 64 bits.
    total = max(samples.sum(dtype=np.float64), sizes.sum(dtype=np.float64))
    if total > MAX_TOTAL:
        raise ValueError("the shards are larger than any disk")


def check_variants(samples: Int64Array, variant: Int64Array, variants: int, shards: int) -> None:
    """Checks that all variants have the same number of rows.

    Raises:
        ValueError: if they do not.
    """
    if not 1 <= variants <= max(shards, MAX_EMPTY_VARIANTS):
        raise ValueError(f"{variants} variants of {shards} shards")
    if ((variant < 0) | (variant >= variants)).any():
        raise ValueError("a shard's variant is out of range")
    per_variant = np.bincount(variant, weights=samples.astype(np.float64), minlength=variants)
    if (per_variant != per_variant[0]).any():
        raise ValueError(f"the variants differ in length: {per_variant.astype(int).tolist()}")


def check_offsets_in_files(
    samples: Int64Array,
    sizes: Int64Array,
    offsets: Mapping[str, Int64Array],
    row_bytes: Mapping[str, int],
) -> None:
    """Checks that the rows of each array lie within the files.

    Raises:
        ValueError: if they do not.
    """
    for name, positions in offsets.items():
        stored = positions != DECODED
        # Divided, not multiplied: rows * bytes may exceed 64 bits in a damaged index.
        capacity = (sizes - positions) // max(row_bytes[name], 1)
        if (positions < DECODED).any() or (stored & (positions > sizes)).any():
            raise ValueError(f"the rows of {name!r} do not fit their files")
        if row_bytes[name] and (stored & (samples > capacity)).any():
            raise ValueError(f"the rows of {name!r} do not fit their files")


def check_encoded_sizes(
    samples: Int64Array,
    sizes: Int64Array,
    offsets: Int64Array,
    field: Field,
) -> None:
    """Checks that the files are large enough to hold encoded images of the size of a field.

    The index determines how much memory is allocated for the decoded images. That must not be more
    than the files can hold.

    Raises:
        ValueError: if they are not.
    """
    stored = offsets != DECODED  # a compressed file may expand further
    pixels = samples.astype(np.float64) * field.row_bytes
    if (stored & (pixels > MAX_EXPANSION * sizes.astype(np.float64))).any():
        raise ValueError(
            f"images of {field.row_bytes:,} bytes each do not come from {field.name[:200]!a} in "
            "files of these sizes"
        )
