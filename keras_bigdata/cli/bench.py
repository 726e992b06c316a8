"""`bench`: what the shards can feed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from keras_bigdata.cli.argument_types import positive, structure
from keras_bigdata.cli.formatting import counted, in_bytes

if TYPE_CHECKING:
    from keras_bigdata.bench import Rates
from keras_bigdata.cli.formatting import in_time


def add(commands: Any) -> None:
    bench = commands.add_parser(
        "bench",
        help="measure what the shards can feed, and what would limit a model",
        description="Measures, in turn: a plain loop over the shards; `fit` with a model that "
        "trains nothing; the same with one batch that never changes; `fit` on arrays in memory; "
        "reading the files from the disk. Of large sets a part of 1 GiB is taken. KERAS_BACKEND "
        "chooses the backend. Takes a minute or so.",
    )
    bench.add_argument("directory", help="a directory of shards or of bare pickles")
    bench.add_argument("--batch-size", type=int, default=32, metavar="N", help="default: 32")
    bench.add_argument(
        "--inputs", type=structure, help="fields of bare pickles, such as texts,images"
    )
    bench.add_argument("--targets", type=structure, help="the same for the targets")
    bench.add_argument(
        "--rate",
        type=positive,
        action="append",
        metavar="SAMPLES_PER_SECOND",
        help="of your model, to be told what it would wait for; may be given several times",
    )
    bench.add_argument("--rounds", type=int, default=5, help="default: 5")
    bench.add_argument("--seconds", type=float, default=1.0, help="of one measurement; default: 1")
    bench.set_defaults(run=_bench)


def _bench(arguments: argparse.Namespace) -> None:
    from keras_bigdata.bench import bench

    rates = bench(
        arguments.directory,
        arguments.batch_size,
        inputs=arguments.inputs,
        targets=arguments.targets,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
    )
    _print_rates(rates)
    print(rates.limits())
    for rate in arguments.rate or ():
        print(rates.verdict(rate))


def _print_rates(rates: Rates) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None)
    table.add_column("", no_wrap=True)
    for heading in ("samples/s", "GB/s", "fit is"):
        table.add_column(heading, justify="right", no_wrap=True)
    held = in_bytes(rates.memory_samples * rates.row_bytes)
    for name, rate, each in (
        ("a plain loop over the shards", rates.alone, rates.row_bytes),
        ("fit, a model that trains nothing", rates.fit, rates.row_bytes),
        ("  one batch that never changes", rates.ceiling, rates.row_bytes),
        (f"  shuffled arrays in memory ({held})", rates.memory, rates.row_bytes),
        ("the disk, nothing cached", rates.disk, rates.file_bytes),
    ):
        if rate is None:
            table.add_row(name, "unknown", "", "")
        else:
            gigabytes, times = rate * each / 1e9, rates.fit / rate
            table.add_row(name, f"{rate:,.0f}", f"{gigabytes:.2f}", f"{times:.2f}x")
    console.print(table)
    if rates.disk is None:
        print("The disk's rate is unknown: the page cache cannot be emptied of these files.")
    if rates.shards < rates.shards_of:
        print(f"Measured on {rates.shards} of {counted(rates.shards_of, 'shard')}.")


def add_estimate(commands: Any) -> None:
    estimate = commands.add_parser(
        "estimate",
        help="say how long training takes, with packed data and without",
        description="Compares training on the packed data with preparing them anew in every "
        "epoch, which is taken to cost what packing has cost. How fast the packed data are read "
        "is measured for a few seconds.",
    )
    estimate.add_argument("directory", metavar="DIR", help="a directory of packed shards")
    estimate.add_argument("--epochs", type=int, required=True)
    estimate.add_argument(
        "--pack-seconds",
        type=float,
        required=True,
        help="how long packing took, as `pack` has printed (with as many workers as would "
        "prepare the data on the fly)",
    )
    estimate.add_argument(
        "--train-samples-per-second",
        type=float,
        metavar="RATE",
        help="of the model, on data in memory (default: training costs nothing)",
    )
    estimate.add_argument(
        "--samples-per-second",
        type=float,
        metavar="RATE",
        help="that the packed data are read with (default: measured)",
    )
    estimate.add_argument("--batch-size", type=int, default=32, help="to measure with (default 32)")
    estimate.set_defaults(run=_estimate)


def _estimate(arguments: argparse.Namespace) -> None:
    from keras_bigdata.bench.cost import EpochCost, feed_rate
    from keras_bigdata.shards.index import ShardIndex

    index = ShardIndex.load(arguments.directory)
    rate, train_rate = arguments.samples_per_second, arguments.train_samples_per_second
    for name, value in (("samples", rate), ("train-samples", train_rate)):
        if value is not None and not value > 0:
            raise ValueError(f"--{name}-per-second must be above 0, received {value}")
    how = "as given"
    if rate is None:
        from keras_bigdata.loading.sequence import ShardSequence

        rate, how = feed_rate(ShardSequence(index, arguments.batch_size, shuffle=None)), "measured"
    cost = EpochCost(
        train=0.0 if train_rate is None else index.num_samples / train_rate,
        read=0.0,
        decode=arguments.pack_seconds / index.variants,
        feed=index.num_samples / rate,
    )
    print(f"{index.num_samples} samples; packed data are read at {rate:.0f} samples/s ({how})")
    if train_rate is None:
        print("training itself is left out: give --train-samples-per-second")
    for overlap, when in ((False, "one after the other"), (True, "data while the model trains")):
        fly = cost.on_the_fly(arguments.epochs, overlap=overlap)
        packed = cost.packed(arguments.epochs, variants=index.variants, overlap=overlap)
        even = cost.break_even(variants=index.variants, overlap=overlap)
        pays = "never pays" if even is None else f"pays from epoch {even}"
        print(
            f"{arguments.epochs} epochs, {when}: {in_time(fly)} on the fly, "
            f"{in_time(packed)} packed once; packing {pays}"
        )
