"""Command `estimate`: the time that packing saves, or what the forms of stored images cost."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_bigdata.cli.formatting import add_json, print_json
from keras_bigdata.cli.option_names import option_name
from keras_bigdata.cli.storage_estimate import add_image_options, run_storage_estimate
from keras_bigdata.cli.url_options import (
    add_cache,
    add_storage_option,
    check_local,
    open_with_cache,
)
from keras_bigdata.files import is_url
from keras_bigdata.representation import format_seconds
from keras_bigdata.shards.index.shard_index import INDEX_NAME

if TYPE_CHECKING:
    from keras_bigdata.bench.cost import EpochCost

# Options that only packed shards have, and those that only image files have.
_OF_SHARDS = ("epochs", "pack_seconds", "train_samples_per_second", "samples_per_second")
_OF_IMAGES = ("quality", "output")


def add_estimate(commands: Any) -> None:
    """Adds the command `estimate`."""
    estimate = commands.add_parser(
        "estimate",
        help="estimate the training time with packed data and without, or the forms of images",
        description="Compares training on packed data with preparing the data in every epoch, "
        "which is assumed to take as long as packing took. Unless --samples-per-second is given, "
        "reading the packed data is measured for a few seconds. With --size, compares the forms in "
        "which image files can be stored.",
        epilog="Example: keras-bigdata estimate shards/train --epochs 15 --pack-seconds 840; or, "
        "for a directory of image files: keras-bigdata estimate photos --size 128x128",
    )
    estimate.add_argument(
        "directory",
        metavar="DIR",
        help="directory of packed shards, or its URL; with --size, directory of image files",
    )
    add_storage_option(estimate)
    add_cache(estimate)
    add_image_options(estimate)
    estimate.add_argument("--epochs", type=int, metavar="N", help="number of epochs to train")
    estimate.add_argument(
        "--pack-seconds",
        type=float,
        metavar="SECONDS",
        help="time that packing took, as printed by `pack`, with as many workers as would prepare "
        "the data during training",
    )
    estimate.add_argument(
        "--train-samples-per-second",
        type=float,
        metavar="RATE",
        help="throughput of the model on data in memory (default: training takes no time)",
    )
    estimate.add_argument(
        "--samples-per-second",
        type=float,
        metavar="RATE",
        help="throughput of reading the packed data (default: measured)",
    )
    estimate.add_argument(
        "--batch-size",
        type=int,
        default=32,
        metavar="N",
        help="rows per batch for the measurement (default: 32)",
    )
    add_json(estimate)
    estimate.set_defaults(run=run_estimate)


def _check_estimate(arguments: argparse.Namespace) -> None:
    """Checks that the options are those of packed shards, or those of image files.

    Raises:
        ValueError: if options of both are given, or if one is missing.
    """
    of_shards = [name for name in _OF_SHARDS if getattr(arguments, name) is not None]
    of_images = [name for name in _OF_IMAGES if getattr(arguments, name) is not None]
    if arguments.grayscale:
        of_images.append("grayscale")
    if arguments.size is not None and of_shards:
        raise ValueError(
            f"--size compares the forms of image files, and {option_name(of_shards[0])} is for "
            "packed shards. Pass one of them."
        )
    if arguments.size is None and of_images:
        raise ValueError(
            f"{option_name(of_images[0])} is for a directory of image files, and without --size "
            "DIR is a directory of packed shards. Add --size, or leave the option out."
        )
    missing = [name for name in _OF_SHARDS[:2] if getattr(arguments, name) is None]
    if arguments.size is None and missing:
        raise ValueError(
            f"{option_name(missing[0])} is missing: packed shards need --epochs and "
            "--pack-seconds. For a directory of image files pass --size."
        )
    if arguments.size is not None:
        check_local(arguments, arguments.directory)
    if arguments.size is not None and (Path(arguments.directory) / INDEX_NAME).exists():
        raise ValueError(
            f"{arguments.directory}: holds packed shards, and --size is for a directory of image "
            "files. Name that directory, or pass --epochs and --pack-seconds instead of --size."
        )


def run_estimate(arguments: argparse.Namespace) -> None:
    """Prints the training times and the epoch from which packing pays off, or forms of images."""
    _check_estimate(arguments)
    if arguments.size is not None:
        run_storage_estimate(arguments)
        return
    from keras_bigdata.arguments import checked_number
    from keras_bigdata.bench.cost import EpochCost
    from keras_bigdata.shards.index.shard_index import ShardIndex

    if is_url(arguments.directory):
        index = open_with_cache(arguments).index
    else:
        check_local(arguments, arguments.directory)
        index = ShardIndex.load(arguments.directory)
    pack_seconds = checked_number(arguments.pack_seconds, "--pack-seconds", minimum=0)
    rate, train_rate = arguments.samples_per_second, arguments.train_samples_per_second
    for option, value in (
        ("--samples-per-second", rate),
        ("--train-samples-per-second", train_rate),
    ):
        if value is not None:
            checked_number(value, option, above=0)
    origin = "as specified"
    if rate is None:
        from keras_bigdata.bench.measure import measure_read_rate
        from keras_bigdata.loading.sequence import ShardSequence

        sequence = ShardSequence(index, arguments.batch_size, shuffle=None)
        rate, origin = measure_read_rate(sequence), "measured"
        if not isinstance(index.directory, Path):
            origin = "measured while they come from the store or its cache"
    cost = EpochCost(
        train=0.0 if train_rate is None else index.num_samples / train_rate,
        read=0.0,
        decode=pack_seconds / index.variants,
        feed=index.num_samples / rate,
    )
    modes = {
        "in_turn": _mode(cost, arguments.epochs, index.variants, overlap=False),
        "overlapped": _mode(cost, arguments.epochs, index.variants, overlap=True),
    }
    if arguments.json:
        rates = {"samples_per_second": rate, "measured": arguments.samples_per_second is None}
        print_json({"samples": index.num_samples, "epochs": arguments.epochs, **rates, **modes})
        return
    print(f"{index.num_samples} samples; packed data are read at {rate:.0f} samples/s ({origin})")
    if train_rate is None:
        print("The training steps are not included: use --train-samples-per-second.")
    for name, figures in modes.items():
        mode = "preparing and training in turn" if name == "in_turn" else "preparing while training"
        epoch = figures["break_even_epoch"]
        pays = "never pays off" if epoch is None else f"pays off from epoch {epoch}"
        print(
            f"{arguments.epochs} epochs, {mode}: {format_seconds(figures['on_the_fly_seconds'])} "
            f"on the fly, {format_seconds(figures['packed_seconds'])} packed once; packing {pays}"
        )


def _mode(cost: EpochCost, epochs: int, variants: int, *, overlap: bool) -> dict[str, Any]:
    """Returns both times of a training, and the epoch from which packing pays off."""
    return {
        "on_the_fly_seconds": cost.on_the_fly(epochs, overlap=overlap),
        "packed_seconds": cost.packed(epochs, variants=variants, overlap=overlap),
        "break_even_epoch": cost.break_even(variants=variants, overlap=overlap),
    }
