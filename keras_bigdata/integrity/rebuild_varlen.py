"""Finds what rows of varying size are if the index is lost: images, texts or numbers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_bigdata.images.header import ImageHeader
from keras_bigdata.integrity.check_pickles import UnindexedPickle
from keras_bigdata.integrity.image_rows import row_headers
from keras_bigdata.shards.fields.entries import FILE_CODEC, TEXT_CODEC, Field
from keras_bigdata.shards.fields.metadata_columns import FILE
from keras_bigdata.shards.opening.layout import Layout, has_rows
from keras_bigdata.shards.pickles import read_varlen

_BYTES = np.dtype(np.uint8)
_DEPTH = 8

# Control characters: bytes that texts do not have, but small numbers do.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(slots=True)
class _Rows:
    """What the rows of one name have in common, in all files."""

    headers: set[ImageHeader] = field(default_factory=set)
    images: int = 0
    rows: int = 0
    is_utf8: bool = True
    has_control: bool = False

    def add(self, values: Any, offsets: Any) -> None:
        """Adds the rows of a file."""
        self.rows += len(offsets) - 1
        is_utf8 = _is_utf8(values, offsets)
        has_control = _CONTROL.search(memoryview(values)) is not None
        self.is_utf8 &= is_utf8
        self.has_control |= has_control
        if is_utf8 and not has_control:
            return  # not images: the headers of images contain such bytes
        found = [header for header in row_headers(values, offsets) if header is not None]
        self.images += len(found)
        self.headers |= set(found)


def find_varlen_fields(
    pickles: Sequence[UnindexedPickle],
    known: Mapping[str, Field],
    used: Collection[str],
    notes: list[str],
) -> dict[str, Field]:
    """Returns the fields, and columns of texts, that rows of varying size can be read as.

    Numbers that are not bytes can be read in one way. Rows of bytes are images if all of them begin
    as such; else texts if they are UTF-8 without control characters and no role names them; else
    numbers, if a role names them or they are not UTF-8.

    Args:
        pickles: the files.
        known: fields and columns of an index that is known to be like the lost one.
        used: names that the roles name, which are not texts.
        notes: receives what is uncertain.

    Returns:
        name -> `Field`. A name whose rows can be read in several ways has none.
    """
    layouts = [pickle.layout for pickle in pickles if pickle.layout is not None]
    found: dict[str, Field] = {}
    for name, (values, _) in layouts[0].varlen.items() if layouts else ():
        kinds = {_kind(layout, name) for layout in layouts}
        if len(kinds) > 1 or None in kinds:
            continue
        former = known.get(name)
        if former is not None and (
            not former.is_varlen or kinds != {(former.value_dtype, former.value_shape)}
        ):
            former = None
        if (values[0], values[1][1:]) != (_BYTES, ()):
            found |= _numbers(name, values[0], values[1][1:], former, notes)
            continue
        rows = _Rows()
        for pickle in pickles:
            rows.add(*read_varlen(pickle.path, name))
        field = _decide(name, rows, former, name in used, notes)
        if field is not None:
            found[name] = field
    return found


def _kind(layout: Layout, name: str) -> tuple[np.dtype[Any], tuple[int, ...]] | None:
    """Returns dtype and shape of the values of a name, or `None` if they are not rows."""
    places = layout.varlen.get(name)
    if places is None or not has_rows(places):
        return None
    return places[0][0], places[0][1][1:]


def _numbers(
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    former: Field | None,
    notes: list[str],
) -> dict[str, Field]:
    if former is not None:
        return {name: former}
    if dtype.kind not in "biufc":
        return {}
    notes.append(
        f"the number that pads the rows of {name!r} in a batch cannot be read from the shards: it "
        "is 0. If it was another, pass a set that has the same as `like`."
    )
    return {name: Field(name, dtype, (None, *shape))}


def _decide(
    name: str, rows: _Rows, former: Field | None, is_used: bool, notes: list[str]
) -> Field | None:
    """Returns the field that rows of bytes are; `None` if they can be read in several ways."""
    if former is not None and not former.is_encoded:
        return former
    if rows.images == rows.rows:
        return _images(name, rows.headers, former, notes)
    if rows.images:
        notes.append(
            f"{name!r} is not read: {rows.images} of its {rows.rows} rows begin as images and the "
            "others do not. They can be read as damaged images, or as numbers of any length. "
            "Restore the index or the shards from a copy."
        )
        return None
    if rows.is_utf8 and not is_used:
        if not rows.has_control or name == FILE:
            return Field(name, np.dtype(np.str_), (), TEXT_CODEC)
        notes.append(
            f"{name!r} is not read: its rows can be read as texts with control characters, or as "
            "numbers of any length. If they are numbers, name it in a role (inputs, targets), or "
            "pass a set that has the same fields as `like`."
        )
        return None
    return _numbers(name, _BYTES, (), None, notes).get(name)


def _images(name: str, headers: set[ImageHeader], former: Field | None, notes: list[str]) -> Field:
    """Returns the field of images: of one size, or files of any size."""
    if former is not None and former.codec == FILE_CODEC:
        return former
    like = "If it was packed in another way, pass a set that was packed in the same way as `like`."
    if len(headers) == 1:
        header = next(iter(headers))
        if header.format in ("jpeg", "png") and header.depth == _DEPTH:
            shape = (header.height, header.width, header.channels)
            if header.channels in (1, 3):
                field = Field(name, _BYTES, shape, header.format)
                if field != former:
                    notes.append(
                        f"all rows of {name!r} are {header}: they are read as images that were "
                        f"packed with store={header.format!r}, and not as files with "
                        f"store='file'. {like}"
                    )
                return field
    channels = 3 if any(header.is_color for header in headers) else 1
    kind = "color" if channels == 3 else "grayscale"
    notes.append(
        f"the rows of {name!r} are image files of several sizes or formats: they are read as files "
        f"(store='file') that are decoded as {kind}. {like}"
    )
    return Field(name, _BYTES, (None, None, channels), FILE_CODEC)


def _is_utf8(values: Any, offsets: Any) -> bool:
    data = values.tobytes()
    try:
        for start, stop in itertools.pairwise(offsets.tolist()):
            data[start:stop].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
