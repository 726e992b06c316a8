"""Converts new image files to arrays as `pack` would write them, for `model.predict`."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from keras_bigdata.errors import PackError
from keras_bigdata.files import is_url
from keras_bigdata.images.encode import encode_image
from keras_bigdata.images.full_range import load_pixels
from keras_bigdata.images.open_image import Color, quiet_pillow
from keras_bigdata.images.resizing import Form, checked_size
from keras_bigdata.packing.samples.stored_form import StoredForm
from keras_bigdata.shards.fields.entries import FILE_CODEC, format_fields
from keras_bigdata.shards.fields.standard_fields import IMAGES
from keras_bigdata.shards.index.shard_index import ShardIndex


def encode_images(
    files: Iterable[str | os.PathLike[str]], index: Any, *, field: str = IMAGES
) -> npt.NDArray[Any]:
    """Reads new image files as `pack` has read those of a set: decoded, resized, same dtype.

    The result is equal, byte for byte, to what a batch of the set holds for the same file without
    `augment`. Images of a set that is stored as JPEG or PNG are therefore encoded in the same way,
    and decoded again, by Pillow.

    Args:
        files: paths of image files.
        index: the `ShardIndex` of the set, or an object that has it as `index`: a `ShardSequence`
            or a `Shards`.
        field: the field of images, if rows have several. Defaults to `"images"`.

    Returns:
        An array of shape `(files, height, width, channels)`, of the dtype of the field.

    Raises:
        TypeError: if `files` is one path, or if `index` has no index.
        ValueError: if a file is a URL, or if the set was not packed from image files, has no such
            field, or stores the files as they are, so that their size is not fixed.
        PackError: if a file cannot be read as an image.

    Example:

    ```python
    index = pack(ImageFolder("flowers", size=(64, 64)), "shards/flowers")  # or ShardIndex.load
    images = encode_images(["photos/0001.jpg"], index)  # uint8, (1, 64, 64, 3), for model.predict
    ```
    """
    if isinstance(files, str | bytes | os.PathLike):
        raise TypeError(f"`files` must be a list of paths, not one. Received: files={files!r}")
    received = index
    index = getattr(index, "index", index)
    if not isinstance(index, ShardIndex):
        raise TypeError(
            "`index` must be a ShardIndex, such as ShardIndex.load('shards/train'), of a directory "
            "or URL, or a ShardSequence. Received: "
            + (repr(received) if isinstance(received, str | os.PathLike) else "an object")
            + f" of type {type(received).__name__}"
        )
    size, color, form = _read_settings(index, field)
    packed = index.fields[field]
    quality = _read_quality(index)
    paths = [os.fspath(file) for file in files]
    for path in paths:
        if isinstance(path, str) and is_url(path):
            raise ValueError(
                f"`files` must be files of this machine. Received the URL {path!r}, which is not "
                "read: download the file"
            )
    images = np.empty((len(paths), *packed.row_shape), packed.dtype)
    with quiet_pillow():
        for number, path in enumerate(paths):
            try:
                image = load_pixels(path, size, color, form)
            except PackError as error:
                raise PackError(f"{path}: {error}") from error
            if image.shape != packed.shape or image.dtype != packed.dtype:
                raise ValueError(
                    f"{index.directory}: the field {packed} was changed by `augment`: files are "
                    f"read as {image.dtype} {image.shape}. Read them yourself, and apply the same "
                    "change."
                )
            if packed.codec is not None:
                image = _decode(encode_image(image, packed.codec, quality)).reshape(image.shape)
            images[number] = image
    return images


def _decode(content: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    return np.asarray(Image.open(io.BytesIO(content.tobytes())))


def _read_quality(index: ShardIndex) -> int:
    """Returns the quality of images that are stored as JPEG."""
    source = index.provenance.get("source")
    quality = source.get("quality") if isinstance(source, Mapping) else None
    return quality if type(quality) is int else StoredForm().quality


def _read_settings(index: ShardIndex, field: str) -> tuple[tuple[int, int], Color, Form]:
    """Returns how the images of a set were read, which its index records."""
    source = index.provenance.get("source")
    if field not in index.fields:
        raise ValueError(
            f"{index.directory}: there is no field {field!r}. The fields are: "
            f"{format_fields(index.fields)}"
        )
    if index.fields[field].codec == FILE_CODEC:
        raise ValueError(
            f'{index.directory}: the files of {field!r} are stored as they are (store="file"), so '
            "they have no fixed size. Resize new files as `decode=` of your ShardSequence does, "
            "such as decode=Resize((height, width))."
        )
    if not isinstance(source, Mapping) or "size" not in source or "color" not in source:
        by = source.get("kind") if isinstance(source, Mapping) else index.provenance.get("by")
        raise ValueError(
            f"{index.directory}: was not packed from image files, so that it is unknown how new "
            f"ones are to be read. It was written by {by or 'another program'}."
        )
    try:
        names = ("resize", "interpolation", "dtype")
        form = {name: source[name] for name in names if name in source}
        # "grey" is what indexes have stored for grayscale.
        color: Color = "grayscale" if source["color"] == "grey" else "rgb"
        return checked_size(tuple(source["size"])), color, Form(**form)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{index.directory}: the index records settings of images that this release does not "
            f"know: {error}"
        ) from error
