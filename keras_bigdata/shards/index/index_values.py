"""Checks and converts the values in an `index.json`, which may come from any origin.

A refused value raises a `ValueError` or `TypeError`; the index adds the path to the message.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.fields.entries import FILE_CODEC, IMAGE_CODECS, TEXT_CODEC, Field
from keras_bigdata.shards.fields.field_values import NUMERIC_KINDS
from keras_bigdata.shards.fields.ragged import checked_padding

Int64Array = npt.NDArray[np.int64]

MAX_NAME = 4_096
# Maximum of the bytes of one row, of the bytes of all files, and of the number of rows: their sums
# stay far below 64 bits.
MAX_TOTAL = 2**62

# Maximum height and width of an image, by its format.
MAX_JPEG_SIDE = 2**16 - 1
MAX_IMAGE_SIDE = 2**31 - 1

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,200}")

_MAX_DIMENSIONS = 32
_MAX_FIELDS = 1_000
_MAX_DEPTH = 16
_MAX_VERSION = 100

# Codes as `numpy.lib.format.dtype_to_descr` writes them. NumPy would accept much more as a dtype:
# lists in a text, names of Python types, aliases that warn.
_DTYPE = re.compile(
    r"[<>|=](?:b1|[iu][1248]|f(?:2|4|8|12|16)|c(?:8|16|24|32)|[SUV][0-9]{1,9}"
    r"|[mM]8(?:\[[0-9]{0,9}(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)\Z"
)


def as_int_column(values: Iterable[int]) -> Int64Array:
    """Returns integers, one per shard, as an int64 array."""
    column = np.array(values if isinstance(values, list) else list(values))
    if column.size == 0:
        return np.zeros(0, np.int64)
    if column.ndim != 1 or column.dtype.kind not in "iu":
        raise ValueError("a column of the shards holds values that are not integers")
    if column.dtype.kind == "u" and column.max() > np.iinfo(np.int64).max:
        raise ValueError("a column of the shards holds integers of more than 63 bits")
    return column.astype(np.int64)


def parse_dtype(descr: Any) -> np.dtype[Any]:
    """Returns the dtype that `dtype_to_descr` described; it must not hold objects."""
    parsed, _ = _parse_descr(descr, 0)
    dtype = np.lib.format.descr_to_dtype(parsed)
    if dtype.hasobject:
        raise ValueError("a dtype of objects")
    return dtype


def parse_shape(sizes: Any, itemsize: int) -> tuple[int, ...]:
    """Returns the shape of one row, which must be one that memory could hold."""
    if not isinstance(sizes, list) or len(sizes) > _MAX_DIMENSIONS:
        raise ValueError("the shape of a row is not a list of sizes")
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise ValueError("the shape of a row holds values that are not sizes")
    if math.prod(size for size in sizes if size) * max(itemsize, 1) > MAX_TOTAL:
        raise ValueError("a row is larger than any memory")
    return tuple(sizes)


def field_to_json(field: Field) -> dict[str, Any]:
    """Returns the entry of a field in `index.json`."""
    entry: dict[str, Any] = {
        "dtype": np.lib.format.dtype_to_descr(field.dtype),
        "shape": field.shape,
    }
    if field.codec is not None:
        entry["codec"] = field.codec
    if field.padding:
        entry["padding"] = field.padding
    return entry


def parse_field(name: str, entry: Mapping[str, Any]) -> Field:
    """Returns a field whose rows are arrays, or are decoded or padded to arrays."""
    dtype = parse_dtype(entry["dtype"])
    codec, padding = entry.get("codec"), entry.get("padding", 0)
    sizes = entry["shape"]
    if not isinstance(sizes, list):
        raise ValueError("the shape of a row is not a list of sizes")
    known = parse_shape([1 if size is None else size for size in sizes], dtype.itemsize)
    shape = tuple(None if given is None else size for given, size in zip(sizes, known, strict=True))
    if type(padding) not in (int, float):
        raise ValueError(f"the padding of {name[:200]!a} is not a number")
    field = Field(name, dtype, shape, codec, padding)
    if codec is not None:
        _check_image(field)
    elif None in shape and (shape.index(None) or shape.count(None) > 1 or not _is_numeric(dtype)):
        raise ValueError(f"the field {name[:200]!a} has rows of unknown shape")
    if padding and not field.is_ragged:
        raise ValueError(f"the field {name[:200]!a} has a padding, and rows of one length")
    if padding:
        checked_padding(padding, dtype)
    return field


def _is_numeric(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in NUMERIC_KINDS


def _check_image(field: Field) -> None:
    """Checks that a field with a codec is one of images that the codec holds."""
    sizes, channels = field.shape[:-1], field.shape[-1:]
    is_image = field.dtype == np.uint8 and len(sizes) == 2 and channels in ((1,), (3,))
    if field.codec not in IMAGE_CODECS or not is_image:
        raise ValueError(f"the field {field.name[:200]!a} has an unknown codec or is not an image")
    if sizes == (None, None) and field.codec == FILE_CODEC:
        return
    largest = MAX_JPEG_SIDE if field.codec == "jpeg" else MAX_IMAGE_SIDE
    if any(size is None or not 1 <= size <= largest for size in sizes):
        raise ValueError(
            f"the field {field.name[:200]!a} has images of a size that {field.codec} does not hold"
        )


def parse_column(name: str, entry: Mapping[str, Any]) -> Field:
    """Returns a metadata column: one number or one text per row."""
    dtype, codec = parse_dtype(entry["dtype"]), entry["codec"]
    if codec not in (None, TEXT_CODEC) or (codec is None and dtype.kind not in "biuf"):
        raise ValueError(f"the column {name[:200]!a} holds neither numbers nor texts")
    return Field(name, dtype, (), codec)


def check_names(names: Any) -> list[str]:
    """Checks that all names are names of files below the index's directory; returns them."""
    if not isinstance(names, list):
        raise ValueError("the names of the shards are not a list")
    for name in names:
        # Most names are plain, and building two paths of each takes 5 us.
        if not (type(name) is str and _PLAIN_NAME.fullmatch(name)):
            _check_name(name)
    return names


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME:
        raise ValueError(f"a shard name has {len(name):,} characters")
    posix = PurePosixPath(name)
    windows = PureWindowsPath(name)
    if windows.drive or windows.root or ".." in posix.parts + windows.parts or not windows.parts:
        raise ValueError(f"the shard name {name[:200]!r} leads out of the directory")
    if "\0" in name:
        raise ValueError(f"the shard name {name[:200]!r} has a null character")
    os.fsencode(name)


def check_metadata(
    *,
    provenance: Any,
    classes: Any = None,
    class_counts: Any = None,
    vocabulary: Any = None,
    writer: Any = None,
) -> None:
    """Checks the form of the values that describe the data; all but `provenance` may be `None`."""
    class_lists = list(classes.values()) if isinstance(classes, dict) else [classes]
    if classes is not None and not all(isinstance(each, list) for each in class_lists):
        raise ValueError("the classes are not a list")
    if class_counts is not None and not (
        isinstance(class_counts, list)
        and all(type(count) is int and 0 <= count <= MAX_TOTAL for count in class_counts)
    ):
        raise ValueError("the class counts are not a list of counts")
    if isinstance(classes, list) and class_counts and len(classes) != len(class_counts):
        raise ValueError(f"{len(class_counts)} class counts of {len(classes)} classes")
    if vocabulary is not None and not (
        isinstance(vocabulary, list) and all(isinstance(word, str) for word in vocabulary)
    ):
        raise ValueError("the vocabulary is not a list of words")
    if not isinstance(provenance, dict):
        raise ValueError("the description of how the shards were written is not a dict")
    if writer is not None and not (isinstance(writer, str) and len(writer) <= _MAX_VERSION):
        raise ValueError("the version of the writer is not a short text")


def _parse_descr(descr: Any, depth: int) -> tuple[Any, int]:
    """Returns a description with the tuples that JSON lacks, and its number of plain dtypes."""
    if isinstance(descr, str):
        if not _DTYPE.match(descr):
            raise ValueError(f"the unknown dtype {descr[:40]!a}")
        return descr, 1
    if not isinstance(descr, list) or depth == _MAX_DEPTH:
        raise ValueError("a dtype that is neither a text nor a list of fields")
    parsed, leaves = [], 0
    for entry in descr:
        if not isinstance(entry, list) or len(entry) not in (2, 3):
            raise ValueError("a field of a dtype that is not a name and a dtype")
        title, kind, *sizes = entry
        inner, inner_leaves = _parse_descr(kind, depth + 1)
        leaves += inner_leaves
        if leaves > _MAX_FIELDS:
            raise ValueError("a dtype of too many fields")
        shape = [parse_shape(size, 1) for size in sizes]
        parsed.append((tuple(title) if isinstance(title, list) else title, inner, *shape))
    return parsed, leaves
