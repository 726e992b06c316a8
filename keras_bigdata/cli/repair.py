"""`repair`: shards and indexes mended."""

from __future__ import annotations

import argparse
from typing import Any

from keras_bigdata.cli.arguments import names
from keras_bigdata.cli.told import tell_repair


def add(commands: Any) -> None:
    repair = commands.add_parser(
        "repair",
        help="mend shards as far as that is possible",
        description="Makes a lost index anew from the shards, makes damaged shards again from "
        "their source, or moves them to DIR/quarantine and goes on without them. Nothing is "
        "deleted; and without --yes nothing is changed: the plan is printed.",
        epilog="Exit status: 0 if all is well or was mended; 1 if something is to be done and "
        "--yes was not given, or it cannot be done; 2 if the command line is wrong.",
    )
    repair.add_argument("directory", metavar="DIR")
    repair.add_argument("--yes", action="store_true", help="do it")
    repair.add_argument(
        "--from",
        dest="source",
        metavar="MODULE:FUNCTION",
        help="called without arguments, returns the source that was packed (or that and the "
        "`augment` function); for pictures see also: pack images --repair",
    )
    repair.add_argument("--workers", type=int, help="with --from (default: one for each CPU)")
    repair.add_argument(
        "--like",
        metavar="DIR2",
        help="for a lost index: packed shards with the same roles, classes and vocabulary",
    )
    for role in ("inputs", "targets", "sample-weights"):
        repair.add_argument(
            f"--{role}", type=names, metavar="NAME,NAME", help="for a lost index: names of fields"
        )
    repair.set_defaults(run=_repair, again="goes on from here")


def _repair(arguments: argparse.Namespace) -> int:
    from keras_bigdata.checking.repair import repair
    from keras_bigdata.packing.named import named_function

    source = augment = None
    if arguments.source is not None:
        source = named_function(arguments.source)()
        if isinstance(source, tuple):
            source, augment = source
    roles = {
        name: value[0] if value is not None and len(value) == 1 else value
        for name in ("inputs", "targets", "sample_weights")
        for value in [getattr(arguments, name)]
    }
    found = repair(
        arguments.directory,
        source=source,
        augment=augment,
        workers=arguments.workers,
        like=arguments.like,
        apply=arguments.yes,
        **roles,
    )
    tell_repair(found)
    return 0 if found.done or not found.steps else 1
