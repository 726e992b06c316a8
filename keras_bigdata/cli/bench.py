"""`bench`: what the shards can feed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from keras_bigdata.cli.arguments import positive, structure
from keras_bigdata.cli.words import counted, in_bytes

if TYPE_CHECKING:
    from keras_bigdata.bench import Rates


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
