"""`estimate`: how long training takes."""

from __future__ import annotations

import argparse
from typing import Any

from keras_bigdata.cli.words import in_time


def add(commands: Any) -> None:
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
    from keras_bigdata.cost import EpochCost, feed_rate
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
