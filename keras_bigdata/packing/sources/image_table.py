"""A table of image files as a source for `pack`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from keras_bigdata.arguments import checked_choice, checked_int
from keras_bigdata.files import local_path
from keras_bigdata.images.open_image import COLORS, Color
from keras_bigdata.images.resizing import Form, Interpolation, PixelDtype, ResizeMode
from keras_bigdata.packing.sources.image_rows import ImageRows
from keras_bigdata.packing.sources.images.image_store import Store, checked_store
from keras_bigdata.packing.sources.images.masks import checked_mask_values
from keras_bigdata.packing.sources.tables.class_filter import filter_table
from keras_bigdata.packing.sources.tables.file_names import file_names, pattern_columns
from keras_bigdata.packing.sources.tables.input_fields import (
    InputColumns,
    check_distinct,
    input_fields,
    input_roles,
)
from keras_bigdata.packing.sources.tables.kept_columns import checked_keep, read_kept
from keras_bigdata.packing.sources.tables.numbers import number_columns, read_inputs
from keras_bigdata.packing.sources.tables.problems import Problems, merge_problems
from keras_bigdata.packing.sources.tables.row_weights import (
    read_weights,
    weigh_targets,
    weight_columns,
)
from keras_bigdata.packing.sources.tables.table import read_columns
from keras_bigdata.packing.sources.tables.targets import (
    LabelColumns,
    Missing,
    TargetColumns,
    add_role,
    label_fields,
    read_targets,
    target_fields,
    used_columns,
)
from keras_bigdata.packing.sources.texts.text_columns import read_texts
from keras_bigdata.packing.sources.texts.text_length import TextLength
from keras_bigdata.packing.sources.texts.tokens import check_without_texts
from keras_bigdata.shards.fields.standard_fields import IMAGES, MASKS, NUMBERS, TEXTS, VIDEOS


class ImageTable(ImageRows):
    """A table with a column of image files, and columns of labels, texts, masks or values.

    The fields are

    - `images` (uint8 or another `dtype`, `(rows, height, width, channels)`), an input; or, with
      `frames`, `videos` (`(rows, frames, height, width, channels)`),
    - `texts` (int32 token ids, `(rows, text_length)`, or rows of any length, 0 is padding, 1 an
      unknown word), an input,
    - `numbers` (float32, `(rows, columns)`), an input,
    - `masks` (uint8 class numbers, `(rows, height, width, 1)`), a target,
    - `labels` (int32 class numbers, `(rows,)`), a target; with `separator` multi-hot (uint8,
      `(rows, classes)`); with several columns one field each, named as the columns,
    - `targets` (float32, `(rows,)` or `(rows, columns)`), a target; with a dict one field each,
      named by its keys,
    - `sample_weight` (float32, `(rows,)`), the sample weights, with `sample_weight` or
      `missing="mask"`.

    Several inputs are a tuple in this order. If `image` or `text` is a dict, its keys name the
    fields, and the inputs are a dict of all of them.

    Several targets are a tuple in this order, or a dict if `label` or `target` is one; their sample
    weights are nested in the same way. Images of any size and
    mode are resized to `size`. Only the first page (TIFF) or frame (GIF, WebP) of a file is packed.
    Masks are resized to the nearest pixel, so that their values are
    those in the file. Texts are split into words in lower case.

    No file is read before `pack` or `source[i]` does so. A row without a label, a number or a file
    name, and a file that cannot be read, are errors of `pack`, or are skipped with its
    `on_error="skip"`.

    Args:
        table: Path of a CSV file (UTF-8, first line the column names), a pandas DataFrame, a
            Hugging Face `Dataset`, a table of pyarrow, or a dict of lists.
        image: The column of file names; or a pattern with columns in braces, such as
            `"photos/{id}.png"` for ids without folder and extension. With `frames`, of folders.
            Several are a dict of field -> column, such as `{"left": "l", "right": "r"}`; all are
            read with the same size and color.
        label: The column of labels: strings, whole numbers or booleans. Several columns are a list
            or, to name the fields after the outputs of the model, a dict of field -> column, such
            as `{"color": "main_color"}`. Defaults to `None`.
        text: The column of texts. Several are a dict of field -> column, such as
            `{"title": "t", "body": "b"}`, with one vocabulary. Defaults to `None`.
        numbers: The column of numbers that are an input, or a list of them; one field for all,
            because a dense layer takes them together. A row without a finite number in each is an
            error. They are not scaled: use `keras.layers.Normalization`. Defaults to `None`.
        mask: The column, or the pattern, of the files of masks: images with one channel whose
            values (with a palette, its numbers) are the classes, or `.npy` files. Defaults to
            `None`.
        mask_values: The value in the mask files of class 0, 1, 2, ..., such as `(0, 255)` for
            white on black; in JPEG files, each pixel is taken for the nearest of them. Defaults
            to `None`: each value is the number of its class. Files whose values are 0 and 255,
            and JPEG files, are then refused; `range(256)` takes these as they are.
        target: The column of numbers to predict, or a list of them for one output. Several outputs
            are a dict of field -> column or list, such as `{"age": "age_years"}`. Defaults to
            `None`.
        missing: `"error"`, or `"mask"` to keep rows without a number in a column of `target` (an
            empty value, None, NaN). The target is then 0 and the weight of the row is 0 for this
            output only, in a field `sample_weight_<field>` if there are several outputs. The
            weights of the other rows are (rows) / (rows with a number), so that the loss is the
            mean over the rows with a number. They are computed from all rows of the source that is
            packed, after `split` and `select`, without those that are known to be unusable. Compile
            the model with `weighted_metrics`: `metrics` ignore sample weights. Defaults to
            `"error"`.
        sample_weight: The column of sample weights, numbers of at least 0, which are multiplied
            with those of `missing`. The weights of masks have the shape `(rows, 1, 1)`. Defaults to
            `None`.
        separator: The separator of labels in a row that may have several, such as `"|"`. A row
            with an empty value has none of the classes. Defaults to `None`: one label per row.
        frames: Number of images, evenly spaced, to read from each video, which is a folder of
            images. Defaults to `None`: `image` names files.
        root: The folder that relative file names start from. Defaults to `None`: the folder of
            the CSV file; the current folder for other tables.
        size: `(height, width)` in pixels. Defaults to `None`, with `store="file"` only.
        color: `"rgb"` or `"grayscale"`. Defaults to `"rgb"`.
        resize: `"stretch"` to the size; `"pad"` to keep the aspect ratio, with the image in the
            middle of zeros; or `"crop"` to keep it and cut the middle, as with Keras's
            `pad_to_aspect_ratio` and `crop_to_aspect_ratio`. Masks follow, and padded pixels are
            the class 0. Defaults to `"stretch"`.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"` or `"lanczos"`; all but the first
            average the pixels of a larger image. Masks are always resized to the nearest pixel.
            Defaults to `"bilinear"`.
        dtype: `"uint8"`, for which 16-bit values are scaled to 8 bits and floats must be 0 to 1; a
            file of which at most 17 levels would remain is refused. `"uint16"` and `"float32"`
            keep the values of the files as they are, 0 to 255 of 8-bit files, and resize them in
            float32 (float64 is rounded to it); files of 8 bits, 16 bits and floats in one source
            are then refused, because their scales differ. Color PNG files of 16 bits cannot be read
            in this way; TIFF files can. Defaults to `"uint8"`.
        store: How the images are stored: `"pixels"`; `"jpeg"`, about a tenth of the bytes, which
            changes pixels a little; `"png"`, lossless; `"file"`, the files as they are, of any
            size, to be resized when they are read, without `size`, `mask`, `frames` and another
            `resize`, `interpolation` or `dtype`; or `"auto"`, which measures when packing begins
            and chooses `"pixels"` if the set fits in half of the memory or if the disk reads pixels
            faster than the cores decode JPEG, else `"jpeg"`. The samples of the source are pixels,
            those of `"file"` the content of the file (uint8, one dimension). All but `"pixels"` are
            for images of 8 bits per channel, not for videos. Masks are stored as pixels. Defaults
            to `"pixels"`.
        quality: Quality of the images that are stored as JPEG, 1 to 100; with `store="jpeg"` and
            `"auto"` only. Defaults to `None`: 90.
        text_length: Tokens per row. Longer texts are truncated, shorter ones padded at the end.
            `"variable"`: rows of any length, neither truncated nor padded, of which a batch is
            padded with 0 to its longest row. With several columns, one value for all or a dict such
            as `{"title": 20, "body": "variable"}`. Defaults to `None`: that of `vocabulary`, or
            the length of the longest text of the column, but at most 64.
        max_tokens: Maximum number of entries of the vocabulary, padding and unknown included; not
            with `vocabulary`. Defaults to `None`: 20,000.
        classes: The labels in the order of their numbers. A list selects: rows with another label
            are left out, which `pack` reports, if each label of the list has rows. With several
            label columns (a dict of lists) or `separator`, and with a source or `ShardIndex`, a row
            with another label is an error. Defaults to `None`: all labels of this table, sorted.
        vocabulary: The words in the order of their ids, as a list, or a source or `ShardIndex` to
            take them and the text length from. Defaults to `None`: built from all texts of this
            table.
        keep: Columns that describe the rows, such as `("patient", "site")`: they are packed as
            metadata columns, which are never inputs. A column of a CSV file holds numbers if all
            of its values are numbers, and else texts. Defaults to `()`.
        delimiter: The separator of values in a CSV file. Defaults to `","`.

    Raises:
        PackError: If the table cannot be read, lacks a column or has no rows, or if the labels
            are numbers with fractions.
        ValueError: If an argument has a value that is not allowed, or if arguments do not go
            together, such as `missing="mask"` and a list of columns for one output.
        TypeError: If `image`, `label`, `text`, `mask` or `target` is not the name of a column, or
            if an argument has another type that is not allowed.

    Example:

    ```python
    source = ImageTable("photos/labels.csv", root="photos", image="file", text="caption",
                        label="label", size=(128, 128))
    train, validation = source.split(0.2)
    pack(train, "shards/train")
    pack(validation, "shards/validation")
    test = ImageTable("photos/test.csv", image="file", text="caption", label="label",
                      size=(128, 128), classes=source, vocabulary=source)
    pairs = ImageTable({"l": ["1l.png"], "r": ["1r.png"], "depth": [2.5]}, target="depth",
                       image={"left": "l", "right": "r"}, size=(64, 64))
    people = ImageTable({"file": ["1.png", "2.png"], "age": [31, None],
                         "trust": [1, 0.5]}, image="file", size=(64, 64), sample_weight="trust",
                        target="age", missing="mask")
    scenes = ImageTable({"id": ["cup1", "cup2"]}, image="scenes/{id}.jpg", mask="masks/{id}.png",
                        size=(128, 128))
    ```
    """

    def __init__(
        self,
        table: Any,
        *,
        image: InputColumns,
        label: LabelColumns | None = None,
        text: InputColumns | None = None,
        numbers: str | Sequence[str] | None = None,
        mask: str | None = None,
        mask_values: Sequence[int] | None = None,
        target: TargetColumns | None = None,
        missing: Missing = "error",
        sample_weight: str | None = None,
        separator: str | None = None,
        frames: int | None = None,
        root: str | os.PathLike[str] | None = None,
        size: tuple[int, int] | None = None,
        color: Color = "rgb",
        resize: ResizeMode = "stretch",
        interpolation: Interpolation = "bilinear",
        dtype: PixelDtype = "uint8",
        store: Store = "pixels",
        quality: int | None = None,
        text_length: TextLength | None = None,
        max_tokens: int | None = None,
        classes: Any = None,
        vocabulary: Any = None,
        keep: str | Sequence[str] = (),
        delimiter: str = ",",
    ) -> None:
        color = checked_choice(color, "color", COLORS)
        form = Form(resize, interpolation, dtype)
        stored, size = checked_store(store, quality, size, form, mask=mask, frames=frames)
        if text is None:
            check_without_texts(
                vocabulary=vocabulary, text_length=text_length, max_tokens=max_tokens
            )
        default = IMAGES if frames is None else VIDEOS
        images = input_fields("image", image, default, required=True)
        text_fields = input_fields("text", text, TEXTS)
        check_distinct(
            image=images,
            text=text_fields,
            numbers=() if numbers is None else (NUMBERS,),
            mask=() if mask is None else (MASKS,),
            label=label_fields(label),
            target=target_fields(target),
        )
        mask_values = checked_mask_values(mask_values)
        if mask_values is not None and mask is None:
            raise ValueError("`mask_values` needs `mask`, the files of the masks.")
        if frames is not None:
            frames = checked_int(frames, "frames", 1)
            if mask is not None:
                raise ValueError(
                    "`mask` is for images, and with `frames` the rows are videos. "
                    f"Received: mask={mask!r}, frames={frames}"
                )
        used = [
            *(name for pattern in images.values() for name in pattern_columns("image", pattern)),
            *(() if mask is None else pattern_columns("mask", mask)),
            *text_fields.values(),
            *number_columns(numbers),
            *used_columns(label, target),
            *weight_columns(sample_weight),
            *checked_keep(keep),
        ]
        columns = read_columns(table, list(dict.fromkeys(used)), delimiter)
        columns, left_out = filter_table(columns, label, separator, classes)
        names = {}
        problems: Problems = {}
        for field, pattern in images.items():
            names[field], image_problems = file_names(columns, "image", pattern)
            problems = merge_problems(problems, image_problems)
        masks = None
        if mask is not None:
            masks, mask_problems = file_names(columns, "mask", mask)
            problems = merge_problems(problems, mask_problems)
        targets = read_targets(
            columns,
            label=label,
            target=target,
            separator=separator,
            classes=classes,
            missing=missing,
        )
        roles = targets.roles if masks is None else add_role(targets.roles, MASKS)
        weights = read_weights(columns, sample_weight)
        texts = read_texts(
            columns,
            text_fields,
            vocabulary=vocabulary,
            text_length=text_length,
            max_tokens=max_tokens,
        )
        values, found = read_inputs(columns, number_columns(numbers))
        inputs = {**texts.tokens, **values}
        as_dict = isinstance(image, Mapping) or isinstance(text, Mapping)
        super().__init__(
            columns.folder if root is None else local_path(root, "root"),
            names,
            size,
            color,
            columns={**inputs, **targets.columns},
            inputs=input_roles([*images, *inputs], as_dict=as_dict),
            texts=text_fields,
            masks=masks,
            mask_values=mask_values,
            frames=frames,
            form=form,
            store=stored,
            targets=roles,
            weights=weigh_targets(roles, weights, targets.present),
            classes=targets.classes,
            vocabulary=texts.vocabulary,
            table=columns.name,
            lines=columns.lines,
            problems=merge_problems(problems, targets.problems, weights.problems, found.problems),
            left_out=left_out.counts,
            notes=left_out.notes(columns.name)
            + targets.notes
            + weights.notes
            + found.notes
            + texts.notes,
            kept=read_kept(columns, checked_keep(keep)),
        )
