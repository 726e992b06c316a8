"""Commands `bench` and `estimate`: the throughput of shards, and the time that packing saves."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_bigdata.cli.argument_types import (
    add_layout,
    parse_positive,
    parse_size,
    parse_structure,
)
from keras_bigdata.cli.formatting import add_json, print_json
from keras_bigdata.cli.storage import add_storage_options, run_storage
from keras_bigdata.cli.url_options import (
    add_cache,
    add_storage_option,
    check_local,
    storage_options,
)
from keras_bigdata.files import is_url
from keras_bigdata.representation import format_bytes, format_count, format_seconds
from keras_bigdata.shards.index.shard_index import INDEX_NAME

if TYPE_CHECKING:
    from keras_bigdata.bench.cost import EpochCost
    from keras_bigdata.bench.rates import Rates


def add_bench(commands: Any) -> None:
    """Adds the command `bench`."""
    bench = commands.add_parser(
        "bench",
        help="measure how fast shards can be read, and what would limit a model",
        description="Measures, in turn: a plain loop over the shards; `fit` with a model that "
        "trains nothing; the same `fit` with one constant batch, and with arrays in memory; "
        "reading the files from the disk. A large set is measured on shards spread over it that "
        "take 1 GiB. Of a set behind a URL, 256 MiB are copied to this machine (to CACHE): that "
        "measures the store, and the rest is measured on the copies. KERAS_BACKEND selects the "
        "backend. The measurement takes about a minute.",
        epilog="Example: keras-bigdata bench shards/train --batch-size 64 --rate 900",
    )
    bench.add_argument(
        "directory",
        metavar="DIR",
        help="directory of packed shards, its URL, or a directory of pickles without an index",
    )
    add_storage_option(bench)
    add_cache(bench)
    bench.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="rows per batch (default: 32)"
    )
    for role in ("inputs", "targets"):
        bench.add_argument(
            f"--{role}",
            type=parse_structure,
            metavar="NAME,NAME",
            help=f"for pickles without an index: names of the fields that are {role}",
        )
    add_layout(bench)
    bench.add_argument(
        "--rate",
        type=parse_positive,
        action="append",
        metavar="RATE",
        help="samples per second that your model trains, to print what it would wait for; may be "
        "repeated",
    )
    bench.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="number of rounds (default: 5)"
    )
    bench.add_argument(
        "--seconds",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="length of one measurement (default: 1)",
    )
    add_json(bench)
    bench.set_defaults(run=run_bench)


def run_bench(arguments: argparse.Namespace) -> None:
    """Measures the throughputs; prints a table and what would limit a model."""
    from keras_bigdata.bench import bench

    shards: Any = arguments.directory
    if is_url(arguments.directory):
        shards = _open_remote(arguments)
    else:
        check_local(arguments, arguments.directory)
    rates = bench(
        shards,
        arguments.batch_size,
        inputs=arguments.inputs,
        targets=arguments.targets,
        layout=arguments.layout,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
    )
    if arguments.json:
        found = [rates.describe_bottleneck(rate) for rate in arguments.rate or ()]
        print_json({**asdict(rates), "limits": rates.describe_limits(), "bottlenecks": found})
        return
    _print_rates(rates)
    print(rates.describe_limits())
    for rate in arguments.rate or ():
        print(rates.describe_bottleneck(rate))


def _open_remote(arguments: argparse.Namespace) -> Any:
    """Returns the `Shards` of a URL, with its options and cache."""
    from keras_bigdata.shards.shards import Shards

    return Shards(
        arguments.directory,
        cache=arguments.cache,
        cache_bytes=arguments.cache_bytes,
        storage_options=storage_options(arguments),
    )


def _print_rates(rates: Rates) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None)
    table.add_column("", no_wrap=True)
    for heading in ("samples/s", "GB/s", "fit / this"):
        table.add_column(heading, justify="right", no_wrap=True)
    memory_size = format_bytes(rates.memory_samples * rates.row_bytes)
    for name, rate, sample_bytes in (
        ("loop over the shards", rates.loop, rates.row_bytes),
        ("fit on the shards", rates.fit, rates.row_bytes),
        ("fit on a constant batch", rates.constant_batch, rates.row_bytes),
        (f"fit on arrays in memory ({memory_size})", rates.memory, rates.row_bytes),
        (
            "copying from the store" if rates.is_remote else "disk, without the page cache",
            rates.disk,
            rates.file_bytes,
        ),
    ):
        if rate is None:
            table.add_row(name, "unknown", "", "")
        else:
            gigabytes, ratio = rate * sample_bytes / 1e9, rates.fit / rate
            table.add_row(name, f"{rate:,.0f}", f"{gigabytes:.2f}", f"{ratio:.2f}x")
    console.print(table)
    if rates.disk is None:
        print(
            "The throughput of the disk is unknown: the files could not be dropped from the page "
            "cache."
        )
    if rates.shards < rates.total_shards:
        print(f"Measured on {rates.shards} of {format_count(rates.total_shards, 'shard')}.")


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
    add_storage_options(estimate, parse_size)
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


_OF_SHARDS = ("epochs", "pack_seconds", "train_samples_per_second", "samples_per_second")
_OF_IMAGES = ("quality", "output")


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
            f"--size compares the forms of image files, and {_option(of_shards[0])} is for packed "
            "shards. Pass one of them."
        )
    if arguments.size is None and of_images:
        raise ValueError(
            f"{_option(of_images[0])} is for a directory of image files, and without --size DIR is "
            "a directory of packed shards. Add --size, or leave it out."
        )
    missing = [name for name in _OF_SHARDS[:2] if getattr(arguments, name) is None]
    if arguments.size is None and missing:
        raise ValueError(
            f"{_option(missing[0])} is missing: packed shards need --epochs and --pack-seconds. "
            "For a directory of image files pass --size."
        )
    if arguments.size is not None:
        check_local(arguments, arguments.directory)
    if arguments.size is not None and (Path(arguments.directory) / INDEX_NAME).exists():
        raise ValueError(
            f"{arguments.directory}: holds packed shards, and --size is for a directory of image "
            "files. Name that directory, or pass --epochs and --pack-seconds instead of --size."
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def run_estimate(arguments: argparse.Namespace) -> None:
    """Prints the training times and the epoch from which packing pays off, or forms of images."""
    _check_estimate(arguments)
    if arguments.size is not None:
        run_storage(arguments)
        return
    from keras_bigdata.arguments import checked_number
    from keras_bigdata.bench.cost import EpochCost
    from keras_bigdata.shards.index.shard_index import ShardIndex

    if is_url(arguments.directory):
        index = _open_remote(arguments).index
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
