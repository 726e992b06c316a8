"""Measures what the forms of stored images cost, and whether disk or decoder limits reading."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from keras_bigdata.images.encode import encode_image
from keras_bigdata.images.jpeg import simplejpeg
from keras_bigdata.images.load_image import load_image
from keras_bigdata.images.open_image import Color
from keras_bigdata.images.resizing import Form
from keras_bigdata.machine_limits import total_memory, usable_cores
from keras_bigdata.packing.forms.disk_rate import measure_disk_rate
from keras_bigdata.representation import format_bytes
from keras_bigdata.shards.fields.entries import FILE_CODEC
from keras_bigdata.storage.paths.remote_path import RemotePath

Array = npt.NDArray[Any]

# Length of one measurement of a decoder; the fastest of three counts.
_SECONDS = 0.1
_ROUNDS = 3

# The share of the memory that the page cache may fill.
_CACHE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class FormCost:
    """What one form of stored images costs.

    Args:
        image_bytes: average size of a stored image.
        decode_rate: images per second that one thread decodes; `None` if nothing is decoded.
    """

    image_bytes: float
    decode_rate: float | None = None


@dataclass(frozen=True, slots=True)
class StorageCost:
    """What the forms of stored images cost on this machine.

    Args:
        images: number of images of the whole set.
        forms: `"pixels"`, `"jpeg"`, `"png"` or `"file"` -> its cost.
        disk_rate: bytes per second that the disk reads; `None` if that is unknown.
        cores: number of cores that decode.
        memory: bytes of memory of the machine.
        decoder: the package that decodes JPEG.
        is_remote: whether the set is behind a URL. Defaults to `False`.

    Example:

    ```python
    photos = ImageFolder("flowers", size=(128, 128))
    pixels = [photos[row]["images"] for row in range(32)]
    cost = measure_storage(pixels, 90, images=len(photos), directory="shards")
    print(cost.limit("pixels"), cost.choice, cost.reason)
    ```
    """

    images: int
    forms: Mapping[str, FormCost]
    disk_rate: float | None
    cores: int
    memory: int
    decoder: str
    is_remote: bool = False

    def set_bytes(self, form: str) -> float:
        """Returns the size of the whole set."""
        return self.images * self.forms[form].image_bytes

    def stays_in_memory(self, form: str) -> bool:
        """Returns whether the set fits in half of the memory.

        The page cache then holds it after the first epoch, and the disk limits no further one.
        """
        return self.set_bytes(form) <= _CACHE_SHARE * self.memory

    def disk_images(self, form: str) -> float | None:
        """Returns the images per second that the disk reads; `None` if its rate is unknown."""
        return None if self.disk_rate is None else self.disk_rate / self.forms[form].image_bytes

    def decoded_images(self, form: str) -> float | None:
        """Returns the images per second that all cores decode; `None` if nothing is decoded."""
        rate = self.forms[form].decode_rate
        return None if rate is None else self.cores * rate

    def limit(self, form: str) -> str:
        """Returns what limits reading: `"disk"`, `"decoder"`, `"memory"` or `"unknown"`.

        `"memory"` stands for pixels that stay in memory, whose speed is the only limit.
        """
        disk, decoded = self.disk_images(form), self.decoded_images(form)
        if self.stays_in_memory(form):
            return "memory" if decoded is None else "decoder"
        if disk is None:
            return "unknown"
        return "disk" if decoded is None or disk < decoded else "decoder"

    @property
    def choice(self) -> str:
        """The faster form, `"pixels"` or `"jpeg"`."""
        return self._choose()[0]

    @property
    def reason(self) -> str:
        """Why this form is the faster one, with what was measured."""
        return self._choose()[1]

    def _choose(self) -> tuple[str, str]:
        pixels, jpeg = self.forms["pixels"], self.forms["jpeg"]
        sizes = (
            f"an image takes {format_bytes(pixels.image_bytes)} as pixels and "
            f"{format_bytes(jpeg.image_bytes)} as JPEG"
        )
        if jpeg.image_bytes >= pixels.image_bytes:
            return "pixels", f"{sizes}"
        if self.is_remote:
            return "jpeg", f"{sizes}; the set is read over a network"
        whole = f"as pixels the set takes {format_bytes(self.set_bytes('pixels'))}"
        memory = f"half of the memory ({format_bytes(_CACHE_SHARE * self.memory)})"
        if self.stays_in_memory("pixels"):
            return "pixels", (
                f"{sizes}; {whole}, which fits in {memory}, so that the disk does not limit after "
                "the first epoch"
            )
        disk, decoded = self.disk_images("pixels"), self.decoded_images("jpeg")
        assert decoded is not None
        if disk is None or self.disk_rate is None:
            return "jpeg", f"{sizes}; {whole}, more than {memory}; the disk could not be measured"
        decoding = f"{self.cores} cores decode {decoded:,.0f} images/s with {self.decoder}"
        reading = f"the disk reads {format_bytes(self.disk_rate)}/s, {disk:,.0f} images/s as pixels"
        return (
            "pixels" if disk >= decoded else "jpeg",
            f"{sizes}; {whole}, more than {memory}; {reading}; {decoding}",
        )


def measure_storage(
    pixels: Sequence[Array],
    quality: int,
    *,
    images: int,
    directory: str | os.PathLike[str] | RemotePath,
    with_png: bool = False,
    files: Sequence[bytes] = (),
    color: Color = "rgb",
    form: Form | None = None,
) -> StorageCost:
    """Measures what the forms of stored images cost, in about a second.

    Args:
        pixels: a sample of the images: uint8 arrays `(height, width, channels)` of one shape.
        quality: quality of JPEG, 1 to 100.
        images: number of images of the whole set.
        directory: where it will be stored; the rate of this disk is measured, that of a store is
            not.
        with_png: whether PNG is measured. Defaults to `False`.
        files: the content of the files of the sample, if `"file"` is to be measured. Defaults to
            `()`.
        color: `"rgb"` or `"grayscale"`, of the decoded files. Defaults to `"rgb"`.
        form: how the decoded files are resized. Defaults to `None`: `Form()`.

    Returns:
        A `StorageCost`.
    """
    height, width = pixels[0].shape[:2]
    decoder, decode_jpeg = _jpeg_decoder(pixels[0])
    jpegs = [encode_image(image, "jpeg", quality).tobytes() for image in pixels]
    costs = {
        "pixels": FormCost(float(pixels[0].nbytes)),
        "jpeg": FormCost(_mean_size(jpegs), _measure_rate(decode_jpeg, jpegs)),
    }
    if with_png:
        pngs = [encode_image(image, "png", quality).tobytes() for image in pixels]
        costs["png"] = FormCost(_mean_size(pngs), _measure_rate(_decode_with_pillow, pngs))
    if files:

        def decode_file(content: bytes) -> Any:
            return load_image(content, (height, width), color, form)

        costs[FILE_CODEC] = FormCost(_mean_size(files), _measure_rate(decode_file, files))
    return StorageCost(
        images,
        costs,
        None if isinstance(directory, RemotePath) else measure_disk_rate(Path(directory)),
        usable_cores(),
        total_memory(),
        decoder,
        isinstance(directory, RemotePath),
    )


def _jpeg_decoder(like: Array) -> tuple[str, Callable[[bytes], Any]]:
    """Returns the faster of the decoders that are installed, by name, and a function."""
    module = simplejpeg()
    if module is None:
        return "Pillow", _decode_with_pillow
    buffer = np.empty_like(like)
    colorspace = "GRAY" if like.shape[2] == 1 else "RGB"
    return "simplejpeg", lambda content: module.decode_jpeg(content, colorspace, buffer=buffer)


def _decode_with_pillow(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content)))


def _mean_size(contents: Sequence[bytes]) -> float:
    return sum(map(len, contents)) / len(contents)


def _measure_rate(decode: Callable[[bytes], Any], contents: Sequence[bytes]) -> float:
    """Returns the images per second that a thread with a core of its own decodes."""
    rates = []
    for _ in range(_ROUNDS):
        # CPU time of the thread: with the elapsed time, other work on the machine would change the
        # choice.
        count, start = 0, time.thread_time()
        while time.thread_time() - start < _SECONDS:
            decode(contents[count % len(contents)])
            count += 1
        rates.append(count / (time.thread_time() - start))
    return max(rates)
