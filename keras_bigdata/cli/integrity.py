"""`verify`: shards against their index."""

from __future__ import annotations

import argparse
from typing import Any

from keras_bigdata.cli.argument_types import names
from keras_bigdata.cli.formatting import tell_repair


def add(commands: Any) -> None:
    verify = commands.add_parser(
        "verify",
        help="check shards against their index, byte for byte",
        description="Reads every shard whole and lists what is wrong, with what to do. Nothing is "
        "changed and no pickle is executed.",
        epilog="Exit status: 0 if there is no fault, 1 if there are some or DIR cannot be checked, "
        "2 if the command line is wrong.",
    )
    verify.add_argument("directory", metavar="DIR", help="shards, with or without an index")
    verify.add_argument(
        "--against", metavar="DIR2", help="other shards, that are to have no row in common with DIR"
    )
    verify.add_argument(
        "--fields",
        type=names,
        metavar="NAME,NAME",
        help="to compare rows by, and that bare pickles need to have (default: inputs, targets and "
        "sample weights)",
    )
    verify.set_defaults(run=_verify)


def _verify(arguments: argparse.Namespace) -> int:
    from keras_bigdata.integrity.verify import verify

    report = verify(arguments.directory, arguments.against, fields=arguments.fields)
    print(report)
    return 0 if report.ok else 1


def add_repair(commands: Any) -> None:
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
    from keras_bigdata.cli.load_function import named_function
    from keras_bigdata.integrity.repair import repair

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
        dry_run=not arguments.yes,
        **roles,
    )
    tell_repair(found)
    return 0 if found.done or not found.steps else 1
