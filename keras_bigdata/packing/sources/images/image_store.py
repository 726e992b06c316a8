"""How a source of images stores them: as pixels, encoded, or as the files that they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from keras_bigdata.arguments import checked_choice, checked_int
from keras_bigdata.images.open_image import CHANNELS, Color
from keras_bigdata.images.resizing import Form, checked_size
from keras_bigdata.packing.samples.stored_form import StoredForm
from keras_bigdata.packing.sources.map_files import average_size
from keras_bigdata.shards.fields.entries import FILE_CODEC
from keras_bigdata.shards.index.index_values import MAX_JPEG_SIDE

Store: TypeAlias = Literal["pixels", "jpeg", "png", "file", "auto"]

PIXELS, AUTO = "pixels", "auto"
STORES = (PIXELS, "jpeg", "png", FILE_CODEC, AUTO)

_WITH_QUALITY = ("jpeg", AUTO)
_DEFAULT_QUALITY = 90

_EIGHT_BITS = {
    "jpeg": "JPEG files hold 8 bits per channel",
    "png": "images are stored as PNG with 8 bits per channel",
    FILE_CODEC: "the files are decoded to 8 bits per channel when they are read",
    AUTO: 'it chooses between "pixels" and "jpeg", which holds 8 bits per channel',
}


@dataclass(frozen=True, slots=True)
class ImageStore:
    """How images are stored.

    Args:
        store: `"pixels"`, `"jpeg"`, `"png"`, `"file"` or `"auto"`. Defaults to `"pixels"`.
        quality: quality of JPEG, 1 to 100. Defaults to `90`.
    """

    store: str = PIXELS
    quality: int = _DEFAULT_QUALITY

    def fingerprint(self) -> dict[str, Any]:
        """Returns the settings that determine the stored bytes; none for pixels."""
        quality = {"quality": self.quality} if self.store in _WITH_QUALITY else {}
        # The first release stored pixels only, and recorded nothing of it.
        return {} if self.store == PIXELS else {"store": self.store, **quality}

    def forms(
        self, store: str, color: Color, files: Mapping[str, Sequence[str]]
    ) -> dict[str, StoredForm]:
        """Returns how the fields of images are stored.

        Args:
            store: as in the class; the form that was chosen, if that is `"auto"`.
            color: `"rgb"` or `"grayscale"`.
            files: field -> paths of its images.
        """
        if store in (PIXELS, AUTO):
            return {}
        return {
            field: StoredForm(
                store,
                quality=self.quality,
                row_bytes=average_size(paths) if store == FILE_CODEC else None,
                channels=CHANNELS[color],
            )
            for field, paths in files.items()
        }


def checked_store(
    store: Any,
    quality: Any,
    size: Any,
    form: Form,
    *,
    mask: str | None = None,
    frames: int | None = None,
) -> tuple[ImageStore, tuple[int, int] | None]:
    """Checks how images are to be stored, together with the arguments that this depends on.

    Args:
        store, quality, size, mask, frames: as the arguments of `ImageTable`.
        form: how the images are resized, and their dtype.

    Returns:
        `(store, size)`; the size is `None` if files are stored as they are.

    Raises:
        ValueError: if a value is not allowed, or if arguments do not go together.
        TypeError: if `quality` or an entry of `size` is not an integer.
    """
    store = checked_choice(store, "store", STORES)
    if quality is not None:
        quality = checked_int(quality, "quality", 1, 100)
        if store not in _WITH_QUALITY:
            raise ValueError(
                f'`quality` is that of JPEG, and with store="{store}" nothing is stored as JPEG '
                f'by `pack`. Received: store="{store}", quality={quality}. Pass store="jpeg" to '
                f"store the images as JPEG of this quality, or leave out `quality` to store "
                f"{_describe(store)}."
            )
    if store == PIXELS:
        if size is None:
            raise ValueError(
                "`size` is missing: pass (height, width) in pixels, such as size=(128, 128), to "
                'which all images are resized. Only store="file" needs none: it stores the files '
                "as they are."
            )
        return ImageStore(), checked_size(size)
    if frames is not None:
        raise ValueError(
            f"Rows of several frames are stored as pixels only. Received: "
            f'store="{store}", frames={frames}. Pass store="pixels".'
        )
    if form.dtype != "uint8":
        raise ValueError(
            f'dtype="{form.dtype}" keeps more than 8 bits, and with store="{store}" they would '
            f'be lost: {_EIGHT_BITS[store]}. Pass store="pixels" to keep them, or dtype="uint8".'
        )
    if store == FILE_CODEC:
        _check_file_arguments(size, form, mask)
        return ImageStore(FILE_CODEC), None
    if size is None:
        raise ValueError(
            f'`size` is missing: with store="{store}" all images are resized to one size, so pass '
            "(height, width) in pixels, such as size=(128, 128). To store the files as they are, "
            'pass store="file".'
        )
    size = checked_size(size)
    if store in _WITH_QUALITY and max(size) > MAX_JPEG_SIDE:
        raise ValueError(
            f"JPEG files have at most {MAX_JPEG_SIDE:,} pixels in height and width. Received: "
            f'size={size}, store="{store}". Pass store="pixels" or "png".'
        )
    return ImageStore(store, _DEFAULT_QUALITY if quality is None else quality), size


def _check_file_arguments(size: Any, form: Form, mask: str | None) -> None:
    """Refuses arguments that do not apply to files that are stored as they are."""
    if size is not None:
        raise ValueError(
            f'`size` and store="file" exclude each other. Received: size={size!r}, store="file". '
            "To store the files as they are, leave out `size`, and pass decode=Resize((height, "
            "width)) to ShardSequence, which resizes them when they are read. To store them "
            'resized, pass store="jpeg" with this size.'
        )
    for name, value in form.fingerprint().items():
        raise ValueError(
            f'`{name}` says how images are resized, and store="file" stores the files as they '
            f'are. Received: {name}="{value}", store="file". Pass store="jpeg" to store them '
            "resized, or leave it out: `decode` of ShardSequence says how files are resized when "
            "they are read."
        )
    if mask is not None:
        raise ValueError(
            'Masks must have the size of their images, and the files that store="file" stores '
            f'have sizes of their own. Received: mask={mask!r}, store="file". Pass store="jpeg" '
            'or store="png" with `size`; the masks are then stored as pixels.'
        )


def _describe(store: str) -> str:
    stored = {PIXELS: "pixels", "png": "PNG, which is lossless"}
    return stored.get(store, "the files as they are")
