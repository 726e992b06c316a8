"""Rows of image files: the base of the image sources."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from keras_bigdata.arguments import checked_row
from keras_bigdata.errors import PackError
from keras_bigdata.files import local_path
from keras_bigdata.images.full_range import StoredKind, load_pixels, read_stored
from keras_bigdata.images.open_image import CHANNELS, Color, count_pages
from keras_bigdata.images.resizing import Form
from keras_bigdata.packing.forms.store_choice import StoreChoice, choose_store
from keras_bigdata.packing.samples.stored_form import StoredForm
from keras_bigdata.packing.sources.any_length import Column
from keras_bigdata.packing.sources.base import RowShape
from keras_bigdata.packing.sources.images.frames import load_frames, read_first_frame
from keras_bigdata.packing.sources.images.image_files import read_image_file
from keras_bigdata.packing.sources.images.image_store import AUTO, ImageStore
from keras_bigdata.packing.sources.images.masks import load_mask
from keras_bigdata.packing.sources.table_rows import TableRows
from keras_bigdata.permutation import Rows
from keras_bigdata.shards.fields.metadata_columns import FILE, check_kept_names
from keras_bigdata.shards.fields.roles import Structure
from keras_bigdata.shards.fields.standard_fields import IMAGES, MASKS, VIDEOS
from keras_bigdata.shards.selecting.group_numbers import groups_of_items
from keras_bigdata.storage.paths.remote_path import RemotePath

# Number of files that are tried: the first readable one decides which kind of numbers a source
# holds. Pages are counted in as many.
_FIRST_FILES = 16


class ImageRows(TableRows):
    """Rows of image files with masks, labels, texts: the base of the sources of images.

    The fields are `images`, or `videos` if `frames` is given; `masks` if these are given; and the
    columns, as in `TableRows`.

    Args:
        folder: The folder that relative file names start from.
        names: The file name of each row; with `frames`, the folder of each row. With several
            images in a row, field -> these.
        size: `(height, width)` in pixels; `None` if the files are stored as they are.
        color: `"rgb"` or `"grayscale"`.
        columns: Field name -> array with one entry per row, or `Ragged`. Defaults to `{}`.
        masks: The file name of each row's mask. Defaults to `None`.
        mask_values: As in `load_mask`. Defaults to `None`.
        frames: Number of images to read from each folder. Defaults to `None`: the names are those
            of files.
        form: How the images are resized, and their dtype. Defaults to `None`: `Form()`.
        store: How they are stored. Defaults to `None`: as pixels.
        inputs: The roles of the inputs. Defaults to `None`: the images.
        targets: The roles of the columns and masks. Defaults to `None`.
        **options: As in `TableRows`.
    """

    # Most of the time, decoding and resizing release the GIL: two threads pack 1.75 times and two
    # processes 1.95 times as fast as one, but processes take half a second to start.
    thread_rows = 4_000

    def __init__(
        self,
        folder: str | os.PathLike[str],
        names: Sequence[str] | Mapping[str, Sequence[str]],
        size: tuple[int, int] | None,
        color: Color,
        *,
        columns: Mapping[str, Column] | None = None,
        masks: Sequence[str] | None = None,
        mask_values: tuple[int, ...] | None = None,
        frames: int | None = None,
        form: Form | None = None,
        store: ImageStore | None = None,
        inputs: Structure | None = None,
        targets: Structure | None = None,
        **options: Any,
    ) -> None:
        self.form = form or Form()
        self.store = store or ImageStore()
        self._folder = str(local_path(folder, "root"))
        field = IMAGES if frames is None else VIDEOS
        images = names if isinstance(names, Mapping) else {field: names}
        # The names of the first image of each row, and field -> those of the others.
        (self._field, first), *others = images.items()
        self._names = list(first)
        self._other_names = {field: list(other) for field, other in others}
        # Determined before rows are selected, so that all parts of the source hold the same kind.
        read = read_stored if frames is None else read_first_frame
        self._kinds = {
            field: StoredKind([self._path(name) for name in column[:_FIRST_FILES] if name], read)
            for field, column in images.items()
            if self.form.dtype != "uint8"
        }
        self._masks = None if masks is None else list(masks)
        self.mask_values = mask_values
        self.size = size
        self.color = color
        self.frames = frames
        kept = options.get("kept", {})
        # The column of the images itself may be kept: both meanings are the same.
        if FILE in kept and kept[FILE].tolist() != self._names:
            check_kept_names([FILE], [FILE])
        super().__init__(columns or {}, inputs=inputs or self._field, targets=targets, **options)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, row: int) -> dict[str, Any]:
        row = checked_row(row, len(self))
        columns = super().__getitem__(row)
        paths = self._image_paths(row)
        sample: dict[str, Any] = {}
        for field, path in paths.items():
            try:
                _check_name(path)
                sample[field] = self._read_images(path, self._kinds.get(field))
            except PackError as error:
                raise PackError(f"{self._row_location(row, path)}: {error}") from error
        if self._masks is not None:
            assert self.size is not None  # files that are stored as they are have no masks
            mask = self._path(self._masks[row])
            try:
                sample[MASKS] = load_mask(
                    mask, self.size, list(paths.values()), self.mask_values, self.form.resize
                )
            except PackError as error:
                raise PackError(
                    f"{_printable(mask)}, the mask of {self._row_location(row)}: {error}"
                ) from error
        return sample | columns

    @property
    def image_fields(self) -> list[str]:
        """The fields of images, or of videos."""
        return [self._field, *self._other_names]

    @property
    def stored_forms(self) -> Mapping[str, StoredForm]:
        """How fields are stored if not as arrays; `choose_store` decides `store="auto"`."""
        return self.forms_as(self.store.store)

    def forms_as(self, store: str) -> Mapping[str, StoredForm]:
        """Returns `stored_forms` with images in a given form."""
        columns = [self._names, *self._other_names.values()]
        files = [[self._path(name) for name in names if name] for names in columns]
        images = dict(zip(self.image_fields, files, strict=True))
        return {**super().stored_forms, **self.store.forms(store, self.color, images)}

    @property
    def is_store_open(self) -> bool:
        """Whether `choose_store` decides how images are stored, when packing begins."""
        return self.store.store == AUTO

    def choose_store(self, directory: Path | RemotePath, variants: int = 1) -> StoreChoice:
        """Chooses how images are stored in a directory, by a measurement.

        Args:
            directory: Where the shards will be written; it need not exist.
            variants: Number of copies of the rows. Defaults to `1`.

        Returns:
            `"pixels"` or `"jpeg"`, and the reason.
        """
        fields, quality, rows = self.image_fields, self.store.quality, len(self) * variants
        return choose_store(self, fields, quality, directory, rows=rows)

    def file(self, row: int) -> str:
        """Returns the path of a row's image, the first of several; with `frames`, of its folder."""
        return self._path(self._names[checked_row(row, len(self))])

    def row_columns(self, rows: Rows) -> dict[str, Any]:
        """Returns the metadata columns of some rows: `file`, as the table or folder names it.

        With several images per row, `file` is that of the first, and `<field>_file` those of the
        others.
        """
        others = {
            f"{field}_{FILE}": [names[row] for row in rows]
            for field, names in self._other_names.items()
        }
        files = {FILE: [self._names[row] for row in rows], **others}
        return {**files, **super().row_columns(rows)}

    def packing_notes(self) -> list[str]:
        """Returns the notes that `pack` prints: also of files with several pages among the first.

        Opening all files would take about as long as packing small ones.
        """
        notes = super().packing_notes()
        if self.frames is not None:
            return notes
        for names in [self._names, *self._other_names.values()]:
            paths = [self._path(name) for name in names[:_FIRST_FILES] if name]
            pages = {path: count for path in paths if (count := count_pages(path)) > 1}
            if pages:
                path, count = next(iter(pages.items()))
                more = f", {len(pages) - 1} more of the first {len(paths)} files too"
                notes.append(
                    f"{path} has {count} pages or frames{more if len(pages) > 1 else ''}: only the "
                    "first one of each file is packed"
                )
        return notes

    def _read_images(self, path: str, kind: StoredKind | None) -> npt.NDArray[Any]:
        """Returns an image, the frames of a folder, or the content of a file."""
        if self.size is None:
            return read_image_file(path, self.color)
        if self.frames is None:
            return load_pixels(path, self.size, self.color, self.form, kind)
        return load_frames(path, self.frames, self.size, self.color, form=self.form, kind=kind)

    def _image_paths(self, row: int) -> dict[str, str]:
        """Returns field -> path of the images of a row."""
        others = {field: self._path(names[row]) for field, names in self._other_names.items()}
        return {self._field: self.file(row), **others}

    def _keep_rows(self, rows: Rows) -> None:
        self._names = [self._names[row] for row in rows]
        self._other_names = {
            field: [names[row] for row in rows] for field, names in self._other_names.items()
        }
        self._masks = None if self._masks is None else [self._masks[row] for row in rows]
        super()._keep_rows(rows)

    def fingerprint(self) -> dict[str, Any]:
        """Returns a JSON dict that differs between sources with different rows.

        The content of the files is not compared. Only the name of the folder counts, because
        images and shards may be moved together.
        """
        others = [self._other_names] if self._other_names else []
        files = hashlib.sha256(json.dumps([self._names, self._masks, *others]).encode())
        values = {} if self.mask_values is None else {"mask_values": list(self.mask_values)}
        return {
            **super().fingerprint(),
            "folder": os.path.basename(os.path.abspath(self._folder)),
            "files_sha256": files.hexdigest(),
            "size": None if self.size is None else list(self.size),
            # "grey" is what packed sets have stored: with another word they would count as the
            # result of another call, and could be neither continued nor repaired.
            "color": "grey" if self.color == "grayscale" else self.color,
            "frames": self.frames,
            **values,
            **self.form.fingerprint(),
            **self.store.fingerprint(),
        }

    def source_files(self) -> Iterable[str]:
        """Returns the paths of images and masks; with `frames`, of the folders of frames."""
        others = (name for names in self._other_names.values() for name in names)
        names = dict.fromkeys([*self._names, *others, *(self._masks or ())])
        return [self._path(name) for name in names if name]

    def _groups(self) -> npt.ArrayLike:
        columns = [self._names, *self._other_names.values()]
        numbers: dict[str | tuple[int, int], int] = {}
        files = [
            [
                # A file may have several names. Rows with empty cells do not share a file.
                numbers.setdefault(
                    os.path.abspath(self._path(name)) if name else (column, row), len(numbers)
                )
                for row, name in enumerate(names)
            ]
            for column, names in enumerate(columns)
        ]
        return groups_of_items(files, len(numbers))

    def _path(self, name: str) -> str:
        path = os.path.join(self._folder, name)
        if "\\" in name and os.sep == "/" and not os.path.exists(path):
            # A table written on Windows.
            return os.path.join(self._folder, name.replace("\\", "/"))
        return path

    def _location(self) -> str | None:
        return self._folder if self._table is None else super()._location()

    def _row_shapes(self) -> dict[str, RowShape]:
        size: RowShape = (None, None) if self.size is None else self.size
        image = (*size, CHANNELS[self.color])
        shapes = super()._row_shapes()
        shape = image if self.frames is None else (self.frames, *image)
        return {**dict.fromkeys([self._field, *self._other_names], shape), **shapes}

    def _row_location(self, row: int, path: str | None = None) -> str:
        line = "" if self._lines is None else f" ({self._table}, line {self._lines[row]})"
        return f"{_printable(path or self.file(row))}{line}"


def _printable(path: str) -> str:
    """Returns a path for messages: a name that is not UTF-8 cannot be printed."""
    return path.encode(errors="backslashreplace").decode()


def _check_name(path: str) -> None:
    """Checks that the column `file` can hold a name.

    Raises:
        PackError: if it cannot.
    """
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise PackError("the name of the file is not UTF-8. Rename the file") from error
    if "\0" in path:
        raise PackError("the name of a file cannot have a NUL. Correct the table")
