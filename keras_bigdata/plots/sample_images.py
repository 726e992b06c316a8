"""Reads a few images of a set, with their labels and file names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_bigdata.errors import ShardError
from keras_bigdata.images.crops import Resize
from keras_bigdata.loading.sequence import ShardSequence
from keras_bigdata.shards.fields.entries import Field
from keras_bigdata.shards.shards import Shards

# Size of images whose size differs from row to row.
_SIZE = (128, 128)


@dataclass(frozen=True, slots=True)
class SampleImages:
    """Some images of a set.

    Attributes:
        field: name of the field of images.
        images: array of shape `(count, height, width, channels)` or `(count, height, width)`.
        is_resized: whether the set holds images of any size, which were resized.
        labels: the class or the number of each image; `None` if there is none.
        files: the file of each image; `None` if it is unknown.
        positions: int64 array, the positions of the rows in the set.
    """

    field: str
    images: Any
    is_resized: bool
    labels: list[Any] | None
    files: list[str] | None
    positions: Any

    @property
    def captions(self) -> list[str]:
        """For each image its label, and the name of its file in a second line."""
        lines = []
        if self.labels is not None:
            lines.append([each if isinstance(each, str) else f"{each:g}" for each in self.labels])
        if self.files is not None:
            lines.append([file.rpartition("/")[2] for file in self.files])
        if not lines:
            return [""] * len(self.images)
        return ["\n".join(texts) for texts in zip(*lines, strict=True)]


def read_samples(shards: Any, count: int = 24, field: str | None = None) -> SampleImages:
    """Reads rows that lie at equal distances in a set.

    Args:
        shards: a directory of shards, its URL, or a `Shards`.
        count: number of images; fewer if the set is smaller.
        field: name of the field of images. Defaults to `None`: the first one.

    Raises:
        ShardError: if there is no image.
        ValueError: if there is no such field.
    """
    shards = shards if isinstance(shards, Shards) else Shards(shards)
    name = image_field(shards) if field is None else field
    if name not in shards.fields:
        raise ValueError(
            f"{shards!r} has no field {name!r}. Its fields: {', '.join(map(repr, shards.fields))}"
        )
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
    labels, files = _labels_and_files(shards, chosen)
    return SampleImages(name, np.asarray(images), is_any_size, labels, files, rows)


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


def _labels_and_files(shards: Shards, chosen: Shards) -> tuple[list[Any] | None, list[str] | None]:
    targets = shards.index.roles.targets
    label = (
        targets if isinstance(targets, str) and shards.fields[targets].shape in ((), (1,)) else None
    )
    has_files = "file" in shards.index.columns
    wanted = [*([label] if label is not None else []), *(["file"] if has_files else [])]
    columns = chosen.columns(wanted) if wanted else {}
    labels = None
    if label is not None:
        names = shards.index.classes_of(label)
        labels = columns[label].reshape(len(chosen)).tolist()
        if names and columns[label].dtype.kind in "iu":
            labels = [str(names[v]) if 0 <= v < len(names) else v for v in labels]
    return labels, [str(file) for file in columns["file"]] if has_files else None
