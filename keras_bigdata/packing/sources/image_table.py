"""A table of picture files as a source for `pack`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from keras_bigdata.arguments import checked_choice, checked_int
from keras_bigdata.packing.sources.base import Pictures, checked_size
from keras_bigdata.packing.sources.file_names import file_names, pattern_columns
from keras_bigdata.packing.sources.images import COLORS, Color
from keras_bigdata.packing.sources.table import read_columns
from keras_bigdata.packing.sources.targets import (
    Label,
    add_role,
    label_fields,
    read_targets,
    target_columns,
)
from keras_bigdata.packing.sources.tokens import read_texts


class ImageTable(Pictures):
    """A table with a column of picture files, and columns of labels, texts, masks or values.

    Makes the fields

    - `images` (uint8, `(rows, height, width, channels)`), an input; or, with `frames`, `videos`
      (uint8, `(rows, frames, height, width, channels)`),
    - `texts` (int32 token ids, `(rows, text_length)`, 0 is padding, 1 an unknown word), an input,
    - `masks` (uint8 class numbers, `(rows, height, width, 1)`), a target,
    - `labels` (int32 class numbers, `(rows,)`), a target; with `separator` multi-hot (uint8,
      `(rows, classes)`); of several columns a field each, of the columns' names,
    - `targets` (float32, `(rows,)` or `(rows, columns)`), a target.

    Several targets are a tuple in this order, or a dict if `label` is one. Pictures of any size
    and mode are stretched to `size`, masks to the nearest pixel, so that their values stay as they
    are in the file. Texts are taken as words in lower case.

    Nothing is decoded before `pack` or `source[i]` asks for it. A row without a label, a number or
    a file name, and a file that cannot be read, are errors of `pack`, or are left out with its
    `on_error="skip"`.

    Args:
        table: path of a CSV file (UTF-8, first line the column names), a pandas DataFrame, or a
            dict of lists.
        image: the column of file names; or a pattern with columns in braces, such as
            `"photos/{id}.png"` for ids without folder and extension. With `frames`, of folders.
        label: the column of labels: strings, whole numbers or booleans. Several columns are a list
            or, to name the fields after the model's outputs, a dict such as
            `{"colour": "main_colour"}`. Defaults to `None`.
        text: the column of texts. Defaults to `None`.
        mask: the column, or the pattern, of the files of masks: pictures with one channel whose
            values (with a palette its numbers) are the classes, or `.npy` files. Defaults to
            `None`.
        target: the column of numbers to predict, or a list of them. Defaults to `None`.
        separator: what stands between the labels of a row that may have several, such as `"|"`; a
            row without any has none of the classes. Defaults to `None`: one label a row.
        frames: number of pictures, evenly spaced, to take of each video, which is a folder of
            pictures. Defaults to `None`: `image` names files.
        root: folder that the file names start from. Defaults to `None`: the CSV file's folder,
            the current one for other tables.
        size: `(height, width)` in pixels.
        color: `"rgb"` or `"grey"`. Defaults to `"rgb"`.
        text_length: tokens a row; longer texts are cut, shorter ones padded at the end. Defaults
            to `None`: the length of the longest one, at most 64.
        max_tokens: the most entries of the vocabulary, padding and unknown included. Defaults to
            `20000`.
        classes: the labels in the order of their numbers, as a list, or a source or `ShardIndex`
            to take them from; with several label columns a dict of lists. Defaults to `None`: all
            labels there are, sorted.
        vocabulary: the same for the words, and with a source or index for `text_length` too.
            Defaults to `None`: made from all texts of this table.
        delimiter: between the values of a CSV file. Defaults to `","`.

    Raises:
        PackError: if the table cannot be read, lacks a column or has no rows, or if the labels
            are numbers with fractions.
        ValueError, TypeError: if an argument makes no sense.

    Example:

    ```python
    source = ImageTable("photos/labels.csv", root="photos", image="file", text="caption",
                        label="label", size=(128, 128))
    train, validation = source.split(0.2)
    pack(train, "shards/train")
    pack(validation, "shards/validation")
    test = ImageTable("photos/test.csv", image="file", text="caption", label="label",
                      size=(128, 128), classes=source, vocabulary=source)
    scenes = ImageTable({"id": ["cup1", "cup2"]}, image="scenes/{id}.jpg", mask="masks/{id}.png",
                        size=(128, 128))
    ```
    """

    def __init__(
        self,
        table: Any,
        *,
        image: str,
        label: Label | None = None,
        text: str | None = None,
        mask: str | None = None,
        target: str | Sequence[str] | None = None,
        separator: str | None = None,
        frames: int | None = None,
        root: str | os.PathLike[str] | None = None,
        size: tuple[int, int],
        color: Color = "rgb",
        text_length: int | None = None,
        max_tokens: int = 20_000,
        classes: Any = None,
        vocabulary: Any = None,
        delimiter: str = ",",
    ) -> None:
        size, color = checked_size(size), checked_choice(color, "color", COLORS)
        if vocabulary is not None and text is None:
            raise ValueError("`vocabulary` needs `text`, the column of the texts.")
        if text is not None and not isinstance(text, str):
            raise TypeError(
                "`text` must be the name of a column; add what is in memory to the table first, "
                f"as df.assign(text=texts). Received: a {type(text).__name__}"
            )
        if frames is not None:
            frames = checked_int(frames, "frames", 1)
            if mask is not None:
                raise ValueError("`mask` is for pictures; with `frames` there are none.")
        wanted = [
            *pattern_columns("image", image),
            *(() if mask is None else pattern_columns("mask", mask)),
            *label_fields(label).values(),
            *target_columns(target),
            *(() if text is None else (text,)),
        ]
        columns = read_columns(table, list(dict.fromkeys(wanted)), delimiter)
        names, problems = file_names(columns, "image", image)
        masks = None
        if mask is not None:
            masks, lacking = file_names(columns, "mask", mask)
            problems = lacking | problems
        made = read_targets(
            columns, label=label, target=target, separator=separator, classes=classes
        )
        fields = made.columns
        words = None
        if text is not None:
            tokens, words = read_texts(columns.values[text], vocabulary, text_length, max_tokens)
            fields = {"texts": tokens, **fields}
        super().__init__(
            columns.folder if root is None else root,
            names,
            size,
            color,
            columns=fields,
            masks=masks,
            frames=frames,
            targets=made.roles if masks is None else add_role(made.roles, "masks"),
            classes=made.classes,
            vocabulary=words,
            table=columns.name,
            lines=columns.lines,
            problems=made.problems | problems,
        )
