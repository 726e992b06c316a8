"""Command `pack`: writes images, texts, HDF5 datasets or the batches of a generator as shards."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from keras_bigdata.cli.argument_types import parse_integers, parse_size
from keras_bigdata.cli.formatting import print_packed
from keras_bigdata.cli.option_names import argument_errors, option_name
from keras_bigdata.cli.pack_options import (
    add_column_options,
    add_output,
    add_pack_options,
    add_text_length,
    check_group,
    classes_and_vocabulary,
    kept_columns,
    output_arguments,
    pack_source,
    single_or_list,
)


def add_pack(commands: Any) -> None:
    """Adds the command `pack` and its kinds."""
    pack = commands.add_parser(
        "pack",
        help="pack data into shards",
        description="Packs data into shards: pickle files with an index, index.json.",
        epilog="Example: keras-bigdata pack images photos --size 128x128 -o shards/train. "
        "'keras-bigdata pack KIND --help' describes a kind.",
    )
    kinds = pack.add_subparsers(required=True, metavar="KIND")
    for add_kind in (add_pack_images, add_pack_texts, add_pack_hdf5, add_pack_generator):
        add_kind(kinds)


def add_pack_images(kinds: Any) -> None:
    """Adds `pack images`."""
    images = kinds.add_parser(
        "images",
        help="pack image files listed in a CSV file or sorted into class directories",
        description="Packs image files with their texts, masks and labels. SOURCE is a CSV file, "
        "or a directory with one subdirectory of images per class.",
        epilog="Example: keras-bigdata pack images labels.csv --image file --label label "
        "--size 128x128 --split 0.2 -o shards",
    )
    images.add_argument("source", metavar="SOURCE", help="a CSV file or a directory")
    images.add_argument(
        "--size",
        type=parse_size,
        metavar="HEIGHTxWIDTH",
        help="size of the packed images in pixels, such as 128x128; not with --store file",
    )
    images.add_argument(
        "--grayscale", action="store_true", help="pack one channel instead of three"
    )
    images.add_argument(
        "--resize",
        choices=("stretch", "pad", "crop"),
        default="stretch",
        help="stretch images to the size, or keep their aspect ratio: pad them with zeros, or cut "
        "out their middle (default: stretch)",
    )
    images.add_argument(
        "--interpolation",
        choices=("nearest", "bilinear", "bicubic", "lanczos"),
        default="bilinear",
        help="filter of the images; masks are resized to the nearest pixel (default: bilinear)",
    )
    images.add_argument(
        "--dtype",
        choices=("uint8", "uint16", "float32"),
        default="uint8",
        help="uint16 or float32 keeps the values of files with 16 bits or floats (default: uint8)",
    )
    images.add_argument(
        "--store",
        choices=("pixels", "jpeg", "png", "file", "auto"),
        default="pixels",
        help="what to store: pixels; JPEG, about a tenth of the bytes; PNG, lossless; the files as "
        "they are; or pixels or JPEG, whichever a measurement finds faster (default: pixels)",
    )
    images.add_argument(
        "--quality",
        type=int,
        metavar="N",
        help="quality of JPEG, 1 to 100, with --store jpeg or auto (default: 90)",
    )
    images.add_argument(
        "--image",
        metavar="COLUMN",
        help="column of the file names, or a pattern such as 'photos/{id}.png' (CSV)",
    )
    images.add_argument("--text", metavar="COLUMN", help="column of the texts (CSV)")
    add_text_length(images)
    images.add_argument(
        "--mask", metavar="COLUMN", help="column, or pattern, of the mask files (CSV)"
    )
    images.add_argument(
        "--mask-values",
        type=parse_integers,
        metavar="V0,V1,...",
        help="values in the mask files of class 0, 1, ..., such as 0,255 (default: each value is "
        "the number of its class)",
    )
    images.add_argument(
        "--frames",
        type=int,
        metavar="N",
        help="pack videos instead of images: N frames from each directory of frames",
    )
    images.add_argument(
        "--root", metavar="DIR", help="directory of the image files (default: that of the CSV file)"
    )
    add_column_options(images)
    add_pack_options(images)
    images.set_defaults(run=run_pack_images)


def run_pack_images(arguments: argparse.Namespace) -> None:
    """Packs images or videos."""
    check_group(arguments)
    with argument_errors():
        source = _image_source(arguments)
    pack_source(arguments, source)


# Options for the columns of a CSV file. A directory of classes has no columns.
_TABLE_OPTIONS = (
    *("image", "label", "target", "separator", "text", "text_length", "mask", "mask_values"),
    *("root", "delimiter", "keep", "group"),
)


def _image_source(arguments: argparse.Namespace) -> Any:
    from keras_bigdata.packing.sources.frame_folder import FrameFolder
    from keras_bigdata.packing.sources.image_folder import ImageFolder
    from keras_bigdata.packing.sources.image_table import ImageTable

    is_directory = Path(arguments.source).is_dir()
    options: dict[str, Any] = {
        "size": arguments.size,
        "color": "grayscale" if arguments.grayscale else "rgb",
        "resize": arguments.resize,
        "interpolation": arguments.interpolation,
        "dtype": arguments.dtype,
        "store": arguments.store,
        "quality": arguments.quality,
        **classes_and_vocabulary(
            arguments,
            text=arguments.text is not None,
            label=arguments.label is not None or is_directory,
        ),
    }
    if is_directory:
        unused = [name for name in _TABLE_OPTIONS if getattr(arguments, name) is not None]
        if unused:
            raise ValueError(
                f"{option_name(unused[0])} is for a CSV file, but {arguments.source} is a "
                "directory, whose subdirectories are the classes. Leave the option out, or name "
                "a CSV file."
            )
        if arguments.frames is not None:
            return FrameFolder(arguments.source, frames=arguments.frames, **options)
        return ImageFolder(arguments.source, **options)
    if arguments.image is None:
        raise ValueError(
            f"{arguments.source}: a CSV file needs --image, the column of the file names."
        )
    return ImageTable(
        arguments.source,
        image=arguments.image,
        label=single_or_list(arguments.label, "--label"),
        target=single_or_list(arguments.target, "--target"),
        separator=arguments.separator,
        text=arguments.text,
        text_length=arguments.text_length,
        mask=arguments.mask,
        mask_values=arguments.mask_values,
        frames=arguments.frames,
        keep=kept_columns(arguments),
        root=arguments.root,
        delimiter=arguments.delimiter or ",",
        **options,
    )


def add_pack_texts(kinds: Any) -> None:
    """Adds `pack texts`."""
    texts = kinds.add_parser(
        "texts",
        help="pack the texts of a CSV file as token ids",
        description="Tokenizes a column of texts and packs the token ids with their labels. The "
        "vocabulary is stored in the index.",
        epilog="Example: keras-bigdata pack texts reviews.csv --text review --label stars "
        "-o shards/reviews",
    )
    texts.add_argument("source", metavar="CSV", help="a CSV file")
    texts.add_argument("--text", required=True, metavar="COLUMN", help="column of the texts")
    add_text_length(texts)
    texts.add_argument(
        "--max-tokens",
        type=int,
        metavar="N",
        help="maximum size of the vocabulary (default: 20000)",
    )
    add_column_options(texts)
    add_pack_options(texts)
    texts.set_defaults(run=run_pack_texts)


def run_pack_texts(arguments: argparse.Namespace) -> None:
    """Packs texts."""
    from keras_bigdata.packing.sources.text_table import TextTable

    check_group(arguments)
    with argument_errors():
        source = TextTable(
            arguments.source,
            text=arguments.text,
            label=single_or_list(arguments.label, "--label"),
            target=single_or_list(arguments.target, "--target"),
            separator=arguments.separator,
            text_length=arguments.text_length,
            max_tokens=arguments.max_tokens,
            keep=kept_columns(arguments),
            delimiter=arguments.delimiter or ",",
            **classes_and_vocabulary(arguments, text=True, label=arguments.label is not None),
        )
    pack_source(arguments, source)


def add_pack_hdf5(kinds: Any) -> None:
    """Adds `pack hdf5`."""
    hdf5 = kinds.add_parser(
        "hdf5",
        help="pack datasets of an HDF5 file",
        description="Packs datasets that have the same number of rows. The file may be larger than "
        "memory: it is read in parts.",
        epilog="Example: keras-bigdata pack hdf5 photos.h5 --image train/x --label train/y "
        "-o shards/train",
    )
    hdf5.add_argument("source", metavar="FILE", help="an HDF5 file")
    hdf5.add_argument(
        "--image",
        default="x",
        metavar="DATASET",
        help="dataset of the images or of other inputs (default: x)",
    )
    hdf5.add_argument(
        "--label",
        metavar="DATASET",
        help="dataset of the labels (default: y, or none if --target is used)",
    )
    hdf5.add_argument("--text", metavar="DATASET", help="dataset of texts")
    hdf5.add_argument(
        "--target",
        action="append",
        metavar="DATASET",
        help="dataset of numbers to predict; may be repeated",
    )
    hdf5.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="DATASET",
        help="dataset of additional inputs; may be repeated",
    )
    add_pack_options(hdf5)
    hdf5.set_defaults(run=run_pack_hdf5)


def run_pack_hdf5(arguments: argparse.Namespace) -> None:
    """Packs datasets of an HDF5 file."""
    from keras_bigdata.packing.sources.hdf5 import HDF5Table
    from keras_bigdata.shards.fields.standard_fields import LABELS

    roles: dict[str, Any] = {}
    label = arguments.label
    if arguments.target:
        targets = [name.rpartition("/")[2] for name in arguments.target]
        if label is not None:
            targets.append(LABELS)
        roles["targets"] = targets[0] if len(targets) == 1 else tuple(targets)
    elif label is None:
        label = "y"
    check_group(arguments)
    with argument_errors():
        source = HDF5Table(
            arguments.source,
            arguments.image,
            label,
            arguments.text,
            columns=[*arguments.column, *(arguments.target or ())],
            **roles,
            **classes_and_vocabulary(
                arguments,
                text=arguments.text is not None,
                label=label is not None,
                require_classes=False,  # one-hot labels have no classes
            ),
        )
    pack_source(arguments, source)


def add_pack_generator(kinds: Any) -> None:
    """Adds `pack generator`."""
    generator = kinds.add_parser(
        "generator",
        help="run a generator once and pack its batches",
        description="Packs the batches of a generator. MODULE:FUNCTION is a function without "
        "arguments that returns a generator, an iterator, a keras.utils.PyDataset or a "
        "tf.data.Dataset. The module may be in the current directory.",
        epilog="Example: keras-bigdata pack generator my_training:batches --steps 500 "
        "-o shards/train",
    )
    generator.add_argument(
        "function", metavar="MODULE:FUNCTION", help="such as my_training:batches"
    )
    add_output(generator)
    generator.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="batches per variant (default: all, until the generator ends)",
    )
    generator.add_argument(
        "--variants",
        type=int,
        default=1,
        metavar="N",
        help="augmented copies of the data; training uses one per epoch, in turn (default: 1)",
    )
    generator.set_defaults(run=run_pack_generator)


def run_pack_generator(arguments: argparse.Namespace) -> None:
    """Packs the batches of a generator."""
    from keras_bigdata.cli.load_function import call_function, load_function
    from keras_bigdata.packing.capture import capture

    function = load_function(arguments.function)
    start = time.perf_counter()
    batches = call_function(function, arguments.function)
    try:
        index = capture(
            batches,
            arguments.output,
            steps=arguments.steps,
            variants=arguments.variants,
            shard_samples=arguments.shard_samples,
            **output_arguments(arguments),
        )
    except TypeError as error:
        raise ValueError(f"{arguments.function}() does not return batches: {error}") from error
    print_packed(arguments.output, index, time.perf_counter() - start)
