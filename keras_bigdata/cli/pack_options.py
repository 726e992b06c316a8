"""What all kinds of `pack` that read a source have in common."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_bigdata.cli.arguments import delimiter
from keras_bigdata.cli.told import tell_packed, tell_repair


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
        from keras_bigdata.checking.repair import repair

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
