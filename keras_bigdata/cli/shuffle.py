"""Command `shuffle-report`: how well an order mixes the rows of a set."""

from __future__ import annotations

import argparse
from typing import Any

from keras_bigdata.cli.formatting import add_json, print_json
from keras_bigdata.cli.url_options import add_storage_option, checked_options

_ORDERS = {"window": "window", "shards": "shards", "global": "global", "none": None}


def add_shuffle_report(commands: Any) -> None:
    """Adds the command `shuffle-report`."""
    report = commands.add_parser(
        "shuffle-report",
        help="compute how well an order mixes the rows, and which window would be enough",
        description="Prints how many shards the rows of a batch are in, and how far rows that are "
        "stored next to each other lie apart in an epoch, both compared with a shuffle of all "
        "rows; the share of batches of one class; and which window or shard size would be enough. "
        "Only labels are read, and only from directories on this machine.",
        epilog="Example: keras-bigdata shuffle-report shards/train --batch-size 64 --window 12",
    )
    report.add_argument("directory", metavar="DIR", help="directory of shards, or its URL")
    report.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="rows per batch (default: 32)"
    )
    report.add_argument(
        "--window", type=int, metavar="N", help="shards in a window, window_shards (default: 6)"
    )
    report.add_argument(
        "--shuffle",
        choices=list(_ORDERS),
        default="window",
        help="the order, as in ShardSequence (default: window)",
    )
    report.add_argument("--seed", type=int, default=0, metavar="N", help="seed (default: 0)")
    report.add_argument(
        "--plot", metavar="FILE", help="write a plot as PNG, SVG or PDF (needs matplotlib)"
    )
    add_json(report)
    add_storage_option(report)
    report.set_defaults(run=run_shuffle_report)


def run_shuffle_report(arguments: argparse.Namespace) -> None:
    """Prints the figures and the recommendation."""
    from keras_bigdata.bench.shuffle_quality import shuffle_quality

    if arguments.window is not None and arguments.shuffle != "window":
        raise ValueError(
            f"--window is for --shuffle window, and --shuffle {arguments.shuffle} has no windows. "
            "Leave one of them out."
        )
    quality = shuffle_quality(
        arguments.directory,
        arguments.batch_size,
        shuffle=_ORDERS[arguments.shuffle],  # type: ignore[arg-type]
        window_shards=6 if arguments.window is None else arguments.window,
        seed=arguments.seed,
        storage_options=checked_options(arguments, arguments.directory),
    )
    if arguments.plot is not None:
        from keras_bigdata import plots

        plots.shuffle(quality).figure.savefig(arguments.plot)
    if arguments.json:
        print_json(quality.to_json())
    else:
        print(quality)
