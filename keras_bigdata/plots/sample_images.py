"""Reads a few images of a set, with their labels and file names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_bigdata.errors import ShardError
from keras_bigdata.images.crops import Resize
from keras_bigdata.loading.sequence import ShardSequence
from keras_bigdata.shards.entries import Field
from keras_bigdata.shards.shards import Shards

# Size of images whose size differs from row to row.
_SIZE = (128, 128)


@dataclass(frozen=True, slots=True)
class SampleImages:
    """Some images of a set.

    Attributes:
        images: array of shape `(count, height, width, channels)` or `(count, height, width)`.
        captions: for each image its label, and its file in a second line where it is known.
        positions: int64 array, the positions of the rows in the set.
    """

    images: Any
    captions: list[str]
    positions: Any


def read_samples(shards: Any, count: int = 24, field: str | None = None) -> SampleImages:
    """Reads rows that lie at equal distances in a set.

    Args:
        shards: a directory of shards, its URL, or a `Shards`.
        count: number of images; fewer if the set is smaller.
        field: name of the field of images. Defaults to `None`: the first one.

    Raises:
        ShardError: if there is no image.
    """
    shards = shards if isinstance(shards, Shards) else Shards(shards)
    name = image_field(shards) if field is None else field
    rows = np.unique(np.linspace(0, len(shards) - 1, min(count, len(shards))).astype(np.int64))
    chosen = shards.rows(rows)
    is_any_size = None in shards.fields[name].shape
    sequence = ShardSequence(
        chosen,
        len(rows),
        inputs=name,
        targets=None,
        shuffle=None,
        workers=0,
        decode={name: Resize(_SIZE)} if is_any_size else None,
    )
    (images,) = sequence[0]
    return SampleImages(np.asarray(images), _captions(shards, chosen), rows)


def image_field(shards: Shards) -> str:
    """Returns the name of the first field of images.

    Raises:
        ShardError: if there is none.
    """
    for name, field in shards.fields.items():
        if _holds_images(field):
            return name
    raise ShardError(
        f"{shards!r} has no field of images. Its fields: "
        f"{', '.join(map(str, shards.fields.values()))}."
    )


def _holds_images(field: Field) -> bool:
    if field.is_encoded:
        return True
    shape = field.shape
    has_sides = len(shape) in (2, 3) and all(size is not None and size > 3 for size in shape[:2])
    return has_sides and (len(shape) == 2 or shape[2] in (1, 3))


def _captions(shards: Shards, chosen: Shards) -> list[str]:
    targets = shards.index.roles.targets
    label = (
        targets if isinstance(targets, str) and shards.fields[targets].shape in ((), (1,)) else None
    )
    files = [name for name in ("file",) if name in shards.index.columns]
    wanted = [name for name in (label, *files) if name is not None]
    if not wanted:
        return [""] * len(chosen)
    columns = chosen.columns(wanted)
    lines = []
    if label is not None:
        names = shards.index.classes_of(label)
        values = columns[label].reshape(len(chosen)).tolist()
        is_class = names and columns[label].dtype.kind in "iu"
        lines.append(
            [str(names[v]) if is_class and 0 <= v < len(names) else f"{v:g}" for v in values]
        )
    lines += [[str(value).rpartition("/")[2] for value in columns[name]] for name in files]
    return ["\n".join(texts) for texts in zip(*lines, strict=True)]
