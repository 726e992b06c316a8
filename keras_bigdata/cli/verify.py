"""`verify`: shards against their index."""

from __future__ import annotations

import argparse
from typing import Any

from keras_bigdata.cli.arguments import names
from keras_bigdata.cli.words import counted, in_bytes


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
    from keras_bigdata.checking.verify import verify

    report = verify(arguments.directory, arguments.against, fields=arguments.fields)
    for fault in report.faults:
        print(fault)
    for file, row, twin, twin_row in report.duplicates:
        print(f"  {file}, row {row} = {twin}, row {twin_row}")
    for note in report.notes:
        print(f"note: {note}")
    rate = f", {in_bytes(report.nbytes / report.seconds)}/s" if report.seconds > 1 else ""
    faults = counted(len(report.faults), "fault") if report.faults else "no faults"
    print(
        f"{report.directory}: {faults}; {counted(report.shards, 'shard')}, {report.rows} sound "
        f"rows, {in_bytes(report.nbytes)} in {report.seconds:.1f} s{rate}"
    )
    return 0 if report.ok else 1
