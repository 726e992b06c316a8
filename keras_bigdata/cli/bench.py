"""Command `bench`: the throughput of shards, and what would limit a model."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from keras_bigdata.cli.argument_types import add_layout, parse_positive, parse_structure
from keras_bigdata.cli.formatting import add_json, print_json
from keras_bigdata.cli.url_options import (
    add_cache,
    add_storage_option,
    check_local,
    open_with_cache,
)
from keras_bigdata.files import is_url
from keras_bigdata.representation import format_bytes, format_count

if TYPE_CHECKING:
    from keras_bigdata.bench.rates import Rates


def add_bench(commands: Any) -> None:
    """Adds the command `bench`."""
    bench = commands.add_parser(
        "bench",
        help="measure how fast shards can be read, and what would limit a model",
        description="Measures, in turn: a plain loop over the shards; `fit` with a model that "
        "trains nothing; the same `fit` with one constant batch, and with arrays in memory; "
        "reading the files from the disk. A large set is measured on shards spread over it that "
        "take 1 GiB. From a set behind a URL, 256 MiB are copied to this machine (to CACHE), which "
        "measures the store; the rest is measured on the copies. KERAS_BACKEND selects the "
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
        shards = open_with_cache(arguments)
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
