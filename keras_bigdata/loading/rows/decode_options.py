"""How rows of varying size become arrays: the arguments `decode`, `bucket` and `pad_to`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from keras_bigdata.arguments import checked_int
from keras_bigdata.images.crops import Crop
from keras_bigdata.loading.order.epoch_plan import Shuffle
from keras_bigdata.shards.fields.entries import Field, format_fields
from keras_bigdata.shards.index.shard_index import ShardIndex


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How rows of varying size become arrays; picklable.

    Args:
        crops: field of images -> which part of them is decoded. Defaults to `{}`.
        pad_to: the length of padded rows is a multiple of it. Defaults to `1`.
        bucket: the field whose lengths group the rows. Defaults to `None`: no groups.
        min_lengths: field -> length that its rows are padded to at least. Defaults to `{}`.
    """

    crops: Mapping[str, Crop] = field(default_factory=dict)
    pad_to: int = 1
    bucket: str | None = None
    min_lengths: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_random(self) -> bool:
        """Whether a different part of an image is decoded in each epoch."""
        return any(crop.draws for crop in self.crops.values())

    def row_shape(self, field: Field) -> tuple[int | None, ...]:
        """Returns the shape of a row of a batch; `None` where it varies."""
        crop = self.crops.get(field.name)
        return field.shape if crop is None else (*crop.size, field.shape[2])

    def row_bytes(self, field: Field) -> int:
        """Returns the number of bytes of a row of a batch; 0 if it varies."""
        return replace(field, shape=self.row_shape(field)).row_bytes

    def identity(self) -> dict[str, Any]:
        """Returns the options that differ from the defaults, as plain values."""
        options = {
            "decode": {name: repr(crop) for name, crop in self.crops.items()} or None,
            "pad_to": None if self.pad_to == 1 else self.pad_to,
            "bucket": self.bucket,
        }
        return {name: value for name, value in options.items() if value is not None}


def checked_decode(
    index: ShardIndex,
    names: tuple[str, ...],
    *,
    decode: Any,
    pad_to: Any,
    bucket: Any,
    shuffle: Shuffle,
    balance: str | None,
    on_corrupt: str,
) -> DecodeOptions:
    """Checks the arguments about rows of varying size.

    Args:
        index: the shards.
        names: the fields that are read.
        decode: a `Resize`, `CenterCrop` or `RandomResizedCrop`, or a dict of field -> one of these;
            `None` for none.
        pad_to: a positive integer, or `None`.
        bucket: the name of a field, or `None`.
        shuffle, balance, on_corrupt: as in `ShardSequence`.

    Raises:
        TypeError, ValueError: if an argument has a wrong type or value, does not fit the fields, or
            cannot be combined with another.
    """
    fields = [index.fields[name] for name in names]
    crops = _checked_crops(index, fields, decode)
    ragged = [field.name for field in fields if field.is_ragged]
    length = 1
    if pad_to is not None:
        length = checked_int(pad_to, "pad_to", 1)
        if not ragged:
            raise ValueError(
                f"{index.directory}: `pad_to` is for rows of any length, and all rows that are "
                f"read have one length. Received: pad_to={pad_to!r}; {format_fields(index.fields)}"
            )
    if bucket is not None:
        if bucket not in ragged:
            raise ValueError(
                f"{index.directory}: `bucket` must name a field of rows of any length: "
                f"{', '.join(map(repr, ragged)) or 'there is none'}. Received: bucket={bucket!r}"
            )
        if shuffle is None:
            raise ValueError(
                "`bucket` groups rows by their length, and `shuffle=None` serves them in the order "
                "of the files. Leave one of them out. "
                f"Received: bucket={bucket!r}, shuffle=None"
            )
        if balance is not None:
            raise ValueError(
                "`bucket` and `balance` both decide which rows form a batch. Leave one out. "
                f"Received: bucket={bucket!r}, balance={balance!r}"
            )
        if on_corrupt == "skip":
            raise ValueError(
                "`bucket` needs the lengths of all rows, which a corrupt shard does not have, so "
                'it cannot be combined with on_corrupt="skip". Repair the shards, or leave out '
                f"`bucket`. Received: bucket={bucket!r}, on_corrupt='skip'"
            )
    return DecodeOptions(crops, length, bucket)


def _checked_crops(index: ShardIndex, fields: list[Field], decode: Any) -> dict[str, Crop]:
    encoded = [field for field in fields if field.is_encoded]
    listing = format_fields(index.fields)
    if decode is None:
        crops: dict[str, Crop] = {}
    elif not encoded:
        raise ValueError(
            f"{index.directory}: `decode` is for images that are stored encoded, and none of the "
            f"fields that are read is. Received: decode={decode!r}. The fields are: {listing}"
        )
    elif isinstance(decode, Mapping):
        crops = dict(decode)
        unknown = sorted(map(str, crops.keys() - {field.name for field in encoded}))
        if unknown:
            raise ValueError(
                f"{index.directory}: `decode` names {unknown[0]!r}, which is not a field of "
                f"encoded images that is read. The fields are: {listing}"
            )
    else:
        crops = {field.name: decode for field in encoded}
    for crop in crops.values():
        if not isinstance(crop, get_args(Crop)):
            raise TypeError(
                "`decode` must be a Resize, CenterCrop or RandomResizedCrop, such as "
                f"Resize((224, 224)), or a dict of field -> one of these. Received: {crop!r:.200}"
            )
    missing = [each for each in encoded if None in each.shape and each.name not in crops]
    if missing:
        raise ValueError(
            f"{index.directory}: the images of {missing[0].name!r} are files of any size, and "
            "those of a batch have one. Pass decode=Resize((height, width)), CenterCrop(...) or "
            "RandomResizedCrop(...)."
        )
    return crops
