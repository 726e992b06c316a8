"""`pack images`: a table of pictures, or class folders, to shards."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from keras_bigdata.cli.arguments import size
from keras_bigdata.cli.pack_options import (
    add_columns,
    add_options,
    from_like,
    one_or_several,
    pack_source,
)

_FOR_TABLES = ("image", "label", "target", "separator", "text", "mask")


def add(commands: Any) -> None:
    images = commands.add_parser(
        "images",
        help="pack pictures named in a CSV, or sorted into class folders",
        description="Packs pictures with their texts and labels. SOURCE is a CSV file, or a "
        "folder that holds one folder of pictures for each class.",
    )
    images.add_argument("source", metavar="SOURCE")
    images.add_argument(
        "--size",
        required=True,
        type=size,
        metavar="HEIGHTxWIDTH",
        help="pixels, such as 128x128",
    )
    images.add_argument("--grey", action="store_true", help="one channel instead of three")
    images.add_argument(
        "--image",
        help="column of the file names, or a pattern such as 'photos/{id}.png' (CSV)",
    )
    images.add_argument("--text", metavar="COLUMN", help="column of the texts (CSV)")
    images.add_argument("--mask", help="column, or pattern, of the files of masks (CSV)")
    images.add_argument(
        "--frames",
        type=int,
        metavar="N",
        help="the names are those of folders of frames: take so many of each video",
    )
    images.add_argument("--root", help="folder of the files (default: the folder of the CSV)")
    add_columns(images)
    add_options(images)
    images.set_defaults(run=_pack_images, again="goes on from here")


def _pack_images(arguments: argparse.Namespace) -> None:
    pack_source(arguments, _source(arguments))


def _source(arguments: argparse.Namespace) -> Any:
    from keras_bigdata.packing.sources.frame_folder import FrameFolder
    from keras_bigdata.packing.sources.image_folder import ImageFolder
    from keras_bigdata.packing.sources.image_table import ImageTable

    about: dict[str, Any] = {
        "size": arguments.size,
        "color": "grey" if arguments.grey else "rgb",
        **from_like(
            arguments,
            text=arguments.text is not None,
            label=arguments.label is not None or Path(arguments.source).is_dir(),
        ),
    }
    if Path(arguments.source).is_dir():
        given = [name for name in _FOR_TABLES if getattr(arguments, name)]
        if given:
            raise ValueError(
                f"{arguments.source} is a folder: its class folders are the labels, and "
                f"--{given[0]} is for a CSV."
            )
        if arguments.frames is not None:
            return FrameFolder(arguments.source, frames=arguments.frames, **about)
        return ImageFolder(arguments.source, **about)
    if arguments.image is None:
        raise ValueError(f"{arguments.source}: say with --image which column has the file names.")
    return ImageTable(
        arguments.source,
        image=arguments.image,
        label=one_or_several(arguments.label),
        target=one_or_several(arguments.target),
        separator=arguments.separator,
        text=arguments.text,
        mask=arguments.mask,
        frames=arguments.frames,
        root=arguments.root,
        delimiter=arguments.delimiter,
        **about,
    )
