"""What sources of picture files have in common."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.frames import load_frames
from keras_bigdata.packing.sources.images import CHANNELS, Color, load_image
from keras_bigdata.packing.sources.masks import load_mask
from keras_bigdata.packing.sources.rows import TableRows
from keras_bigdata.shards.roles import Structure

Self = TypeVar("Self", bound="Pictures")


class Pictures(TableRows):
    """Rows of picture files with masks, labels, texts: the base of `ImageTable` and others.

    Makes `images` or, with `frames`, `videos`, and `masks` where they are given; the rest is as
    in `TableRows`.

    Args:
        folder: where relative file names start.
        names: the file name of each row; with `frames` the folder of each row.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grey"`.
        columns: field name -> array with an entry a row. Defaults to `{}`.
        masks: the file name of each row's mask. Defaults to `None`.
        frames: pictures taken of each folder. Defaults to `None`: the names are those of files.
        targets: the part that the columns and masks play. Defaults to `None`.
        **about: as in `TableRows`.
    """

    # Decoding and resizing leave the GIL to others most of the time: two threads pack 1.75 times,
    # two processes 1.95 times as fast as one, but processes take half a second to start.
    thread_rows = 4_000

    def __init__(
        self,
        folder: str | os.PathLike[str],
        names: Sequence[str],
        size: tuple[int, int],
        color: Color,
        *,
        columns: Mapping[str, npt.NDArray[Any]] | None = None,
        masks: Sequence[str] | None = None,
        frames: int | None = None,
        targets: Structure | None = None,
        **about: Any,
    ) -> None:
        self._folder = os.fspath(folder)
        self._names = list(names)
        self._masks = None if masks is None else list(masks)
        self.size = size
        self.color = color
        self.frames = frames
        field = "images" if frames is None else "videos"
        inputs = (field, "texts") if "texts" in (columns or {}) else field
        super().__init__(columns or {}, inputs=inputs, targets=targets, **about)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, row: int) -> dict[str, Any]:
        path = self.file(row)
        columns = super().__getitem__(row)
        try:
            if self.frames is None:
                sample: dict[str, Any] = {"images": load_image(path, self.size, self.color)}
            else:
                sample = {"videos": load_frames(path, self.frames, self.size, self.color)}
        except PackError as error:
            raise PackError(f"{self._place(row)}: {error}") from error
        if self._masks is not None:
            mask = self._path(self._masks[row])
            try:
                sample["masks"] = load_mask(mask, self.size, path)
            except PackError as error:
                raise PackError(f"{mask}, the mask of {self._place(row)}: {error}") from error
        return sample | columns

    def file(self, row: int) -> str:
        """The path of a row's picture."""
        return self._path(self._names[row])

    def select(self: Self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Self:
        """A source of these rows only, with the same classes, vocabulary and text length."""
        part = super().select(rows)
        part._names = [self._names[row] for row in rows]
        part._masks = None if self._masks is None else [self._masks[row] for row in rows]
        return part

    def fingerprint(self) -> dict[str, Any]:
        """What tells this source from others; the pictures themselves are not looked at.

        Of the folder only the name counts: pictures and shards may move together.
        """
        files = hashlib.sha256(json.dumps([self._names, self._masks]).encode())
        return {
            **super().fingerprint(),
            "folder": os.path.basename(os.path.abspath(self._folder)),
            "files_sha256": files.hexdigest(),
            "size": list(self.size),
            "color": self.color,
            "frames": self.frames,
        }

    def _groups(self) -> Sequence[int]:
        files = [os.path.normpath(name) for name in self._names]
        numbers = {file: number for number, file in enumerate(dict.fromkeys(files))}
        return [numbers[file] for file in files]

    def _path(self, name: str) -> str:
        path = os.path.join(self._folder, name)
        if "\\" in name and os.sep == "/" and not os.path.exists(path):
            # Tables that were made on Windows.
            return os.path.join(self._folder, name.replace("\\", "/"))
        return path

    def _place(self, row: int) -> str:
        line = "" if self._lines is None else f" ({self._table}, line {self._lines[row]})"
        return f"{self.file(row)}{line}"


def check_pictures(size: Any, color: Any) -> tuple[int, int]:
    """The size as two integers; bad arguments are refused."""
    if color not in CHANNELS:
        raise ValueError(f'`color` must be "rgb" or "grey". Received: color={color!r}')
    try:
        height, width = (int(edge) for edge in size if edge == int(edge) and edge > 0)
    except (TypeError, ValueError):
        raise ValueError(
            f"`size` must be (height, width) in pixels, such as (128, 128). Received: size={size!r}"
        ) from None
    return height, width


def check_frames(frames: Any) -> int:
    """Refuses what is no number of frames."""
    if isinstance(frames, bool) or not isinstance(frames, int) or frames < 1:
        raise ValueError(f"`frames` must be an integer, 1 or more. Received: frames={frames!r}")
    return frames
