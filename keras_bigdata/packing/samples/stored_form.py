"""How the values of a field are stored in a shard: as they are, of any length, or encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_number
from keras_bigdata.errors import PackError
from keras_bigdata.images.encode import encode_image
from keras_bigdata.representation import format_shape
from keras_bigdata.shards.fields.entries import FILE_CODEC, Field
from keras_bigdata.shards.fields.ragged import Ragged, checked_padding

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class StoredForm:
    """How a source stores a field that is not an array of equal rows.

    Args:
        codec: `"jpeg"` or `"png"`: rows are images, which are encoded when they are packed, after
            `augment`. `"file"`: rows are the content of image files (uint8, one dimension), which
            is stored unchanged. `None`: rows are numbers of any length.
        quality: quality of `"jpeg"`, 1 to 100. Defaults to `90`.
        padding: the number that fills rows of any length in a batch. Defaults to `0`.
        row_bytes: average number of bytes of a stored row. The rows of a shard are computed from
            it, so it must be the same on every machine. `None` if rows have one shape, or if it is
            to be measured (see `planning.ragged_fields`). Defaults to `None`.
        channels: for `"file"`, 3 for color, 1 for grayscale. Defaults to `3`.
    """

    codec: str | None = None
    quality: int = 90
    padding: float = 0
    row_bytes: int | None = None
    channels: int = 3

    def to_json(self) -> dict[str, Any]:
        """Returns the settings that determine the bytes of a row, for the record of a pack."""
        if self.codec == FILE_CODEC:
            return {"codec": self.codec, "channels": self.channels}
        if self.codec == "jpeg":
            return {"codec": self.codec, "quality": self.quality}
        return {"codec": self.codec} if self.codec is not None else {"padding": self.padding}

    def field(self, name: str, value: Array) -> Field:
        """Returns the field of rows like this one.

        Raises:
            PackError: if rows of any length are single numbers.
            ValueError: if their dtype does not hold the padding.
        """
        dtype = value.dtype.newbyteorder("=")
        if self.codec == FILE_CODEC:
            return Field(name, np.dtype(np.uint8), (None, None, self.channels), FILE_CODEC)
        if self.codec is not None:
            return Field(name, dtype, value.shape, self.codec)
        if not value.ndim:
            raise PackError(
                f"field {name!r} is a single number, and its rows are declared to have any length: "
                "return an array with at least one dimension"
            )
        try:
            padding = checked_padding(self.padding, dtype)
        except ValueError as error:
            raise ValueError(f"Field {name!r}: {error}") from error
        return Field(name, dtype, (None, *value.shape[1:]), None, padding)


def forms_of(source: Any) -> Mapping[str, StoredForm]:
    """Returns the forms of the fields of a source; fields without one are stored as arrays.

    Raises:
        TypeError: if its attribute `ragged` is not a dict of field -> padding.
    """
    forms: Mapping[str, StoredForm] = getattr(source, "stored_forms", None) or {}
    ragged = declared_ragged(source)
    return {**forms, **{name: StoredForm(padding=padding) for name, padding in ragged.items()}}


def declared_ragged(source: Any) -> dict[str, float]:
    """Returns the attribute `ragged` of a custom source: field -> padding.

    Raises:
        TypeError: if it is something else.
    """
    ragged = getattr(source, "ragged", None)
    if ragged is None:
        return {}
    if not isinstance(ragged, Mapping) or not all(isinstance(name, str) for name in ragged):
        raise TypeError(
            "`source.ragged` must be a dict of the fields whose rows have any length, with the "
            f'number that fills short rows in a batch, such as {{"x": 0}}. Received: {ragged!r:.80}'
        )
    return {
        name: checked_number(padding, f"source.ragged[{name!r}]")
        for name, padding in ragged.items()
    }


def check_row(value: Array, field: Field) -> str | None:
    """Returns how a value differs from the rows of a field; `None` if it does not."""
    dtype = value.dtype.newbyteorder("=")
    if field.codec == FILE_CODEC:
        fits = value.ndim == 1 and dtype == np.uint8
    elif field.is_ragged:
        fits = value.ndim == len(field.shape) and value.shape[1:] == field.shape[1:]
        fits = (fits and dtype == field.dtype) or is_untyped(value)
    else:
        fits = value.shape == field.shape and dtype == field.dtype
    if fits:
        return None
    return (
        f"field {field.name!r} is {value.dtype} of shape {value.shape}; in other rows it is "
        f"{field.dtype} of shape {format_shape(field.shape)}{_remedy(value, field)}"
    )


def is_untyped(value: Array) -> bool:
    """Returns whether a row of any length may be an empty list, which has no dtype of its own."""
    return value.shape == (0,) and value.dtype == np.float64


def _remedy(value: Array, field: Field) -> str:
    """Returns how rows are packed that differ in their length only."""
    if field.codec is not None or field.is_ragged or not field.shape or not value.ndim:
        return ""
    if value.shape[1:] != field.shape[1:] or value.dtype.newbyteorder("=") != field.dtype:
        return ""
    return (
        ". Rows of any length are packed if the source has an attribute `ragged` = "
        f"{{{field.name!r}: 0}}, with the number that fills short rows in a batch; or as "
        f"Arrays({field.name}=Ragged.from_rows(rows))"
    )


def encode_row(field: Field, form: StoredForm | None, value: Array) -> Array:
    """Returns a row of a field of varying size as it is stored.

    Raises:
        PackError: if it cannot be encoded.
    """
    if field.is_ragged and is_untyped(value):
        return np.empty((0, *field.value_shape), field.dtype)
    if not field.is_encoded or field.codec == FILE_CODEC:
        return value
    assert field.codec is not None
    return encode_image(value, field.codec, (form or StoredForm()).quality)


def join_rows(field: Field, rows: list[Array]) -> Ragged:
    """Joins stored rows of a field of varying size.

    Raises:
        PackError: if they do not go together.
    """
    if not rows:
        empty = np.zeros((0, *field.value_shape), field.value_dtype)
        return Ragged(empty, np.zeros(1, np.int64), field.padding)
    try:
        return Ragged.from_rows(rows, field.value_dtype, field.padding)
    except ValueError as error:
        raise PackError(f"field {field.name!r}: {error}") from error
