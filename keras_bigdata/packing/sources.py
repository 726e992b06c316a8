"""Sources for `pack`: tables of picture files, class folders and (from `arrays`) arrays."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_bigdata.errors import PackError
from keras_bigdata.packing.arrays import Arrays
from keras_bigdata.packing.images import Color
from keras_bigdata.packing.labels import class_numbers, clean_labels, distinct, is_missing
from keras_bigdata.packing.pictures import Pictures, check_pictures, known, label_problems
from keras_bigdata.packing.table import read_columns
from keras_bigdata.packing.text import PADDING, UNKNOWN, build_vocabulary, encode, words

__all__ = ["Arrays", "ImageFolder", "ImageTable"]

IMAGE_SUFFIX = re.compile(
    r"\.(avif|bmp|dib|gif|jfif|jp2|jpe?g?|pbm|pgm|png|pnm|ppm|tga|tiff?|webp)", re.IGNORECASE
)

# Without `text_length`, texts are cut at the longest one's length or here.
MAX_TEXT_LENGTH = 64


class ImageTable(Pictures):
    """A table with a column of picture files, and columns of labels and short texts.

    Makes the fields `images` (uint8, `(rows, height, width, channels)`), `texts` (int32 token
    ids, `(rows, text_length)`, 0 is padding, 1 an unknown word) and `labels` (int32 class
    numbers, `(rows,)`); `images` and `texts` are the inputs, `labels` the targets. Pictures of
    any size and mode are stretched to `size`. Texts are taken as words in lower case.

    Nothing is decoded before `pack` or `source[i]` asks for it. A row without a label or a file
    name, and a file that cannot be read, are errors of `pack`, or are left out with its
    `on_error="skip"`.

    Args:
        table: path of a CSV file (UTF-8, first line the column names), a pandas DataFrame, or a
            dict of lists.
        image: the column of file names.
        label: the column of labels: strings, whole numbers or booleans. Defaults to `None`.
        text: the column of texts. Defaults to `None`.
        root: folder that the file names start from. Defaults to `None`: the CSV file's folder,
            the current one for other tables.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grey"`. Defaults to `"rgb"`.
        text_length: tokens a row; longer texts are cut, shorter ones padded at the end. Defaults
            to `None`: that of the longest text, at most 64.
        max_tokens: the most entries of the vocabulary, the most frequent words, with padding and
            unknown among them. Defaults to `20000`.
        classes: the labels in the order of their numbers, as a list, or a source or `ShardIndex`
            to take them from. Defaults to `None`: all labels there are, sorted.
        vocabulary: the same for the words, and with a source or index for `text_length` too.
            Defaults to `None`: made from all texts of this table.
        delimiter: between the values of a CSV file. Defaults to `","`.

    Raises:
        PackError: if the table cannot be read, lacks a column or has no rows, or if the labels
            are numbers with fractions.
        ValueError: if an argument makes no sense.

    Example:

    ```python
    source = ImageTable("photos/labels.csv", root="photos", image="file", text="caption",
                        label="label", size=(128, 128))
    train, validation = source.split(0.2)
    pack(train, "shards/train")
    pack(validation, "shards/validation")
    test = ImageTable("photos/test.csv", image="file", text="caption", label="label",
                      size=(128, 128), classes=source, vocabulary=source)
    ```
    """

    def __init__(
        self,
        table: Any,
        *,
        image: str,
        label: str | None = None,
        text: str | None = None,
        root: str | os.PathLike[str] | None = None,
        size: tuple[int, int],
        color: Color = "rgb",
        text_length: int | None = None,
        max_tokens: int = 20_000,
        classes: Any = None,
        vocabulary: Any = None,
        delimiter: str = ",",
    ) -> None:
        size = check_pictures(size, color)
        if classes is not None and label is None:
            raise ValueError("`classes` needs `label`, the column of the labels.")
        if vocabulary is not None and text is None:
            raise ValueError("`vocabulary` needs `text`, the column of the texts.")
        for argument, name in (("image", image), ("label", label), ("text", text)):
            if not isinstance(name, str) and (name is not None or argument == "image"):
                raise TypeError(
                    f"`{argument}` must be the name of a column; add what is in memory to the "
                    f"table first, as df.assign(label=labels). Received: a {type(name).__name__}"
                )
        wanted = [name for name in (image, label, text) if name is not None]
        columns = read_columns(table, wanted, delimiter)
        names = ["" if is_missing(name) else str(name) for name in columns.values[image]]
        problems = {row: "there is no file name" for row, name in enumerate(names) if not name}

        numbers = None
        if label is not None:
            labels = clean_labels(columns.values[label], f"{columns.name}, column {label!r}")
            classes = distinct(labels) if classes is None else known(classes, "classes", "classes")
            numbers = class_numbers(labels, classes)
            problems |= label_problems(labels, numbers, classes)
        tokens = None
        if text is not None:
            texts = [
                [] if is_missing(value) else words(str(value)) for value in columns.values[text]
            ]
            vocabulary, length = _vocabulary(texts, vocabulary, text_length, max_tokens)
            tokens = encode(texts, vocabulary, length)
        super().__init__(
            columns.folder if root is None else root,
            names,
            size,
            color,
            labels=numbers,
            classes=classes,
            tokens=tokens,
            vocabulary=vocabulary,
            table=columns.name,
            lines=columns.lines,
            problems=problems,
        )


class ImageFolder(Pictures):
    """A folder with one folder of pictures for each class: `flowers/rose/0001.jpg`.

    Makes the fields `images` (uint8, `(rows, height, width, channels)`), the input, and `labels`
    (int32 class numbers, `(rows,)`), the targets. The classes are the names of the folders in
    alphabetical order, empty ones included. Files below them are taken at any depth by their
    suffix (`.jpg`, `.png`, `.tif`, ...); hidden files and folders are left out.

    Args:
        directory: the folder that holds the class folders.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grey"`. Defaults to `"rgb"`.
        classes: the names in the order of their numbers, as a list, or a source or `ShardIndex`
            to take them from. Defaults to `None`: the class folders there are.

    Raises:
        PackError: if there is no such folder, or no picture in a class folder.
        ValueError: if an argument makes no sense.

    Example:

    ```python
    train = ImageFolder("flowers/train", size=(128, 128))
    pack(train, "shards/train")
    pack(ImageFolder("flowers/test", size=(128, 128), classes=train), "shards/test")
    ```
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        size: tuple[int, int],
        color: Color = "rgb",
        classes: Any = None,
    ) -> None:
        size = check_pictures(size, color)
        folder = Path(directory)
        if not folder.is_dir():
            raise PackError(f"{folder}: there is no such folder.")
        folders = sorted(
            entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."
        )
        names: list[str] = []
        labels: list[Any] = []
        for label in folders:
            found = _pictures_below(folder, label)
            names += found
            labels += [label] * len(found)
        if not names:
            raise PackError(
                f"{folder}: there are no pictures in class folders. Expected files such as "
                f"{folder / 'cat' / '1.jpg'}; found folders: {', '.join(folders) or 'none'}. For "
                "pictures without class folders use ImageTable."
            )
        classes = folders if classes is None else known(classes, "classes", "classes")
        numbers = class_numbers(labels, classes)
        super().__init__(
            folder,
            names,
            size,
            color,
            labels=numbers,
            classes=classes,
            problems=label_problems(labels, numbers, classes),
        )


def _vocabulary(
    texts: Sequence[Sequence[str]], vocabulary: Any, length: int | None, max_tokens: int
) -> tuple[list[str], int]:
    """The vocabulary and the text length to use, from the arguments or the texts."""
    for argument, value, least in (("text_length", length, 1), ("max_tokens", max_tokens, 3)):
        if value is not None and (not isinstance(value, int) or value < least):
            raise ValueError(
                f"`{argument}` must be an integer, {least} or more. Received: {argument}={value!r}"
            )
    if vocabulary is None:
        longest = max(map(len, texts))
        return build_vocabulary(texts, max_tokens), length or min(max(longest, 1), MAX_TEXT_LENGTH)
    entries = known(vocabulary, "vocabulary", "vocabulary")
    if entries[:2] != [PADDING, UNKNOWN]:
        raise ValueError(
            f"`vocabulary` must begin with {PADDING!r} (padding) and {UNKNOWN!r} (unknown words), "
            f"as that of keras.layers.TextVectorization does. Received: {entries[:3]}..."
        )
    length = length or getattr(vocabulary, "text_length", None)
    if length is None and "texts" in getattr(vocabulary, "fields", {}):
        length = vocabulary.fields["texts"].shape[0]
    if length is None:
        raise ValueError("With a list as `vocabulary`, `text_length` has to be given too.")
    return entries, length


def _pictures_below(folder: Path, label: str) -> list[str]:
    """Paths, relative to the folder, of the pictures of one class, in alphabetical order."""
    names = []
    for place, folders, files in os.walk(folder / label):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names += [
            os.path.relpath(os.path.join(place, file), folder)
            for file in sorted(files)
            if not file.startswith(".") and IMAGE_SUFFIX.fullmatch(Path(file).suffix)
        ]
    return names
