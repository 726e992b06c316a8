"""Commands `verify` and `repair`: find and repair faults of a set of shards."""

from __future__ import annotations

import argparse
from dataclasses import asdict, fields
from typing import Any

from keras_bigdata.cli.argument_types import add_layout, parse_names, parse_structure
from keras_bigdata.cli.formatting import add_json, print_json, print_repair
from keras_bigdata.cli.option_names import in_options
from keras_bigdata.cli.url_options import add_storage_option, url_arguments


def add_verify(commands: Any) -> None:
    """Adds the command `verify`."""
    verify = commands.add_parser(
        "verify",
        help="compare shards with their index, byte for byte",
        description="Reads every shard completely and lists all faults, each with its remedy. "
        "Changes nothing and never executes a pickle.",
        epilog="Example: keras-bigdata verify shards/train --against shards/val. Exit status: 0 if "
        "there is no fault; 1 if there are faults or DIR cannot be "
        "checked; 2 if the command line is invalid.",
    )
    verify.add_argument(
        "directory",
        metavar="DIR",
        help="directory of shards, with or without an index, or the URL of one with an index",
    )
    verify.add_argument(
        "--against",
        metavar="DIR2",
        help="other shards, a directory or URL: a row that is in both sets is a fault (a training "
        "and a validation set, for example), and so are classes that they number differently; the "
        "first 20 rows are listed with their files",
    )
    verify.add_argument(
        "--fields",
        type=parse_names,
        metavar="NAME,NAME",
        help="fields that are compared with DIR2, and that pickles without an index must have "
        "(default: inputs, targets and sample weights)",
    )
    add_layout(verify)
    add_json(verify)
    add_storage_option(verify)
    verify.set_defaults(run=run_verify)


def run_verify(arguments: argparse.Namespace) -> int:
    """Prints the faults and returns the exit status."""
    from keras_bigdata.integrity.verify import verify

    report = verify(
        arguments.directory,
        arguments.against,
        fields=arguments.fields,
        layout=arguments.layout,
        **url_arguments(arguments),
    )
    if arguments.json:
        # Not `asdict`, which copies a directory behind a URL with the settings of its driver.
        figures = {each.name: getattr(report, each.name) for each in fields(report)}
        faults = [asdict(fault) for fault in report.faults]
        print_json(
            {"ok": report.ok, **figures, "directory": str(report.directory), "faults": faults}
        )
    else:
        print(in_options(str(report), arguments))
    return 0 if report.ok else 1


def add_repair(commands: Any) -> None:
    """Adds the command `repair`."""
    repair = commands.add_parser(
        "repair",
        help="repair a set of shards as far as possible",
        description="Rebuilds a lost index from the shards. Packs damaged shards again if --from "
        "returns their source; otherwise moves them to DIR/quarantine and removes them from the "
        "index. Deletes nothing, and without --yes changes nothing: it prints the steps.",
        epilog="Example: keras-bigdata repair shards/train --yes. Exit status: 0 if there was "
        "nothing to repair or everything was repaired; 1 if "
        "there are steps to carry out and --yes is missing, or if the repair failed; 2 if the "
        "command line is invalid.",
    )
    repair.add_argument("directory", metavar="DIR", help="directory of shards, or its URL")
    repair.add_argument("--yes", action="store_true", help="carry out the steps")
    repair.add_argument(
        "--from",
        dest="source",
        metavar="MODULE:FUNCTION",
        help="function without arguments that returns the source that was packed, or a tuple of "
        "the source and the `augment` function; for shards that keras-bigdata pack wrote, see also "
        "its option --repair",
    )
    repair.add_argument(
        "--workers", type=int, metavar="N", help="processes for --from (default: one per CPU)"
    )
    repair.add_argument(
        "--like",
        metavar="DIR2",
        help="for a lost index: packed shards with the same roles, classes and vocabulary",
    )
    for role in ("inputs", "targets", "sample-weights"):
        repair.add_argument(
            f"--{role}",
            type=parse_structure,
            metavar="NAME,NAME",
            help=f"for a lost index: names of the fields that are {role.replace('-', ' ')}",
        )
    add_layout(repair)
    add_storage_option(repair)
    repair.set_defaults(run=run_repair, after_interrupt="Run the same command again to continue.")


def run_repair(arguments: argparse.Namespace) -> int:
    """Repairs, or prints the steps, and returns the exit status."""
    from keras_bigdata.cli.load_function import call_function, load_function
    from keras_bigdata.integrity.repair import repair

    source = augment = None
    if arguments.source is not None:
        source = call_function(load_function(arguments.source), arguments.source)
        if isinstance(source, tuple):
            source, augment = source
    found = repair(
        arguments.directory,
        source=source,
        augment=augment,
        workers=arguments.workers,
        like=arguments.like,
        inputs=arguments.inputs,
        targets=arguments.targets,
        sample_weights=arguments.sample_weights,
        layout=arguments.layout,
        dry_run=not arguments.yes,
        **url_arguments(arguments),
    )
    print_repair(found)
    return 0 if found.done or not found.steps else 1
