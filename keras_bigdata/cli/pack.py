"""What all kinds of `pack` that read a source have in common."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_bigdata.cli.argument_types import delimiter, size
from keras_bigdata.cli.formatting import tell_packed, tell_repair


def add_options(kind: Any) -> None:
    """Arguments for writing shards."""
    kind.add_argument("-o", "--output", required=True, help="directory for the shards")
    kind.add_argument(
        "--like",
        metavar="DIR",
        help="packed shards whose classes and vocabulary are to be used: give the training set "
        "when you pack its validation set",
    )
    kind.add_argument(
        "--split",
        type=float,
        metavar="FRACTION",
        help="put this part into OUTPUT/val and the rest into OUTPUT/train, stratified by label",
    )
    kind.add_argument("--shard-samples", type=int, help="rows of a shard (default: about 64 MiB)")
    kind.add_argument("--seed", type=int, default=0, help="of the order and of the split")
    kind.add_argument("--workers", type=int, help="default: one for each CPU")
    kind.add_argument(
        "--on-error",
        choices=("raise", "skip"),
        default="raise",
        help="what to do with a row that cannot be read",
    )
    kind.add_argument(
        "--repair",
        action="store_true",
        help="make again the shards in OUTPUT that are missing, damaged or in quarantine, and no "
        "others; all else as when they were packed",
    )


def add_columns(kind: Any) -> None:
    """Arguments for the columns of a CSV file that are to be predicted."""
    kind.add_argument(
        "--label",
        action="append",
        metavar="COLUMN",
        help="column of the labels (CSV); given several times, each makes a target of its own",
    )
    kind.add_argument(
        "--target",
        action="append",
        metavar="COLUMN",
        help="column of a number to predict (CSV); may be given several times",
    )
    kind.add_argument(
        "--separator",
        help="what stands between the labels of a row that may have several, such as '|'",
    )
    kind.add_argument(
        "--delimiter",
        default=",",
        type=delimiter,
        help=r"between the columns, such as ';' or '\t' (default: a comma)",
    )


def one_or_several(columns: Sequence[str] | None) -> str | list[str] | None:
    """What a source takes for an argument that may be given several times."""
    if columns is None:
        return None
    return columns[0] if len(columns) == 1 else list(columns)


def from_like(
    arguments: argparse.Namespace, *, text: bool, label: bool, always_classes: bool = True
) -> dict[str, Any]:
    """`classes` and `vocabulary` of the packed set that `--like` names, where they are used."""
    from keras_bigdata.shards.index import ShardIndex

    about: dict[str, Any] = {}
    if arguments.like is None:
        return about
    like = ShardIndex.load(arguments.like)
    for wanted, what, found in (
        (label, "classes", like.classes),
        (text, "vocabulary", like.vocabulary),
    ):
        if wanted and found is not None:
            about[what] = like
        elif wanted and (always_classes or what != "classes"):
            raise ValueError(f"--like {arguments.like}: these shards have no {what}.")
    return about


def pack_source(arguments: argparse.Namespace, source: Any) -> None:
    """Packs, or repairs, a source as the arguments say, and tells what was done."""
    from keras_bigdata.packing.pack import pack

    output = Path(arguments.output)
    parts = {output: source}
    if arguments.split is not None:
        train, held_out = source.split(arguments.split, seed=arguments.seed)
        parts = {output / "train": train, output / "val": held_out}
    if arguments.repair:
        from keras_bigdata.integrity.repair import repair

        for directory, part in parts.items():
            tell_repair(repair(directory, source=part, workers=arguments.workers, apply=True))
        return
    for directory, part in parts.items():
        start = time.perf_counter()
        index = pack(
            part,
            directory,
            shard_samples=arguments.shard_samples,
            seed=arguments.seed,
            workers=arguments.workers,
            on_error=arguments.on_error,
        )
        tell_packed(directory, index, time.perf_counter() - start)


_FOR_TABLES = ("image", "label", "target", "separator", "text", "mask")


def add_images(commands: Any) -> None:
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
    pack_source(arguments, _image_source(arguments))


def _image_source(arguments: argparse.Namespace) -> Any:
    from keras_bigdata.packing.sources.frame_folder import FrameFolder
    from keras_bigdata.packing.sources.image_folder import ImageFolder
    from keras_bigdata.packing.sources.image_table import ImageTable

    about: dict[str, Any] = {
        "size": arguments.size,
        "color": "grayscale" if arguments.grey else "rgb",
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


def add_texts(commands: Any) -> None:
    texts = commands.add_parser(
        "texts",
        help="pack texts of a CSV as token ids",
        description="Packs a column of texts, tokenised once, with their labels. The vocabulary is "
        "kept with the shards.",
    )
    texts.add_argument("source", metavar="CSV")
    texts.add_argument("--text", required=True, metavar="COLUMN", help="column of the texts")
    texts.add_argument(
        "--text-length",
        type=int,
        metavar="TOKENS",
        help="of a row (default: those of the longest text, at most 64)",
    )
    texts.add_argument(
        "--max-tokens", type=int, default=20_000, help="entries of the vocabulary (default: 20000)"
    )
    add_columns(texts)
    add_options(texts)
    texts.set_defaults(run=_pack_texts, again="goes on from here")


def _pack_texts(arguments: argparse.Namespace) -> None:
    from keras_bigdata.packing.sources.text_table import TextTable

    source = TextTable(
        arguments.source,
        text=arguments.text,
        label=one_or_several(arguments.label),
        target=one_or_several(arguments.target),
        separator=arguments.separator,
        text_length=arguments.text_length,
        max_tokens=arguments.max_tokens,
        delimiter=arguments.delimiter,
        **from_like(arguments, text=True, label=arguments.label is not None),
    )
    pack_source(arguments, source)


def add_hdf5(commands: Any) -> None:
    hdf5 = commands.add_parser(
        "hdf5",
        help="pack datasets of an HDF5 file",
        description="Packs datasets whose rows belong together. Of a file that is larger than "
        "memory only parts are read at a time.",
    )
    hdf5.add_argument("source", metavar="FILE")
    hdf5.add_argument(
        "--image",
        default="x",
        metavar="DATASET",
        help="dataset of the pictures or other inputs (default: x)",
    )
    hdf5.add_argument(
        "--label", metavar="DATASET", help="dataset of the labels (default: y, without --target)"
    )
    hdf5.add_argument("--text", metavar="DATASET", help="dataset of texts")
    hdf5.add_argument(
        "--target",
        action="append",
        metavar="DATASET",
        help="dataset of numbers to predict, instead of labels; may be given several times",
    )
    hdf5.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="DATASET",
        help="dataset of further inputs; may be given several times",
    )
    add_options(hdf5)
    hdf5.set_defaults(run=_pack_hdf5, again="goes on from here")


def _pack_hdf5(arguments: argparse.Namespace) -> None:
    from keras_bigdata.packing.sources.hdf5 import HDF5Table

    roles: dict[str, Any] = {}
    label = arguments.label
    if arguments.target:
        targets = [name.rpartition("/")[2] for name in arguments.target]
        if label is not None:
            targets.append("labels")
        roles["targets"] = targets[0] if len(targets) == 1 else tuple(targets)
    elif label is None:
        label = "y"
    source = HDF5Table(
        arguments.source,
        arguments.image,
        label,
        arguments.text,
        columns=[*arguments.column, *(arguments.target or ())],
        **roles,
        **from_like(
            arguments,
            text=arguments.text is not None,
            label=label is not None,
            always_classes=False,  # one-hot labels have none
        ),
    )
    pack_source(arguments, source)


def add_generator(commands: Any) -> None:
    generator = commands.add_parser(
        "generator",
        help="run an existing generator once and store its batches",
        description="Stores what a generator yields. MODULE:FUNCTION is called without arguments "
        "and returns a generator, an iterator, a keras.utils.PyDataset or a tf.data.Dataset. "
        "Modules in the current directory are found.",
    )
    generator.add_argument("function", metavar="MODULE:FUNCTION")
    generator.add_argument("-o", "--output", required=True, help="directory for the shards")
    generator.add_argument(
        "--steps", type=int, help="batches of each variant (default: to the generator's end)"
    )
    generator.add_argument(
        "--variants",
        type=int,
        default=1,
        help="augmented copies, one for each epoch in turn (default: 1)",
    )
    generator.add_argument(
        "--shard-samples", type=int, help="rows of a shard (default: about 64 MiB)"
    )
    generator.set_defaults(run=_pack_generator)


def _pack_generator(arguments: argparse.Namespace) -> None:
    from keras_bigdata.cli.load_function import named_function
    from keras_bigdata.packing.capture import capture
    from keras_bigdata.packing.shard_jobs import told

    function = named_function(arguments.function)
    start = time.perf_counter()
    try:
        batches = function()
    except Exception as error:
        raise ValueError(f"{arguments.function}() raised {told(error)}") from error
    try:
        index = capture(
            batches,
            arguments.output,
            steps=arguments.steps,
            variants=arguments.variants,
            shard_samples=arguments.shard_samples,
        )
    except TypeError as error:
        raise ValueError(f"{arguments.function}() does not return batches: {error}") from error
    tell_packed(arguments.output, index, time.perf_counter() - start)
