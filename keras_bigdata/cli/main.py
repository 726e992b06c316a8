"""The command line: which command, its errors, the exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from keras_bigdata import __version__
from keras_bigdata.cli import bench, info, integrity, migrate, pack
from keras_bigdata.errors import BigDataError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; gives the exit status."""
    parsed = _parser().parse_args(arguments)
    try:
        status: int | None = parsed.run(parsed)
    except BrokenPipeError:  # `| head` has seen enough
        sys.stdout = None
        return 0
    except (BigDataError, ValueError, OSError) as error:
        print(f"keras-bigdata: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"keras-bigdata: stopped. The same call {parsed.again}.", file=sys.stderr)
        return 130
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-bigdata", description="Pack data once, train on it many times."
    )
    parser.set_defaults(again="starts over")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    kinds = commands.add_parser("pack", help="write shards").add_subparsers(
        required=True, metavar="KIND"
    )
    for add in (pack.add_images, pack.add_texts, pack.add_hdf5, pack.add_generator):
        add(kinds)
    for add in (
        info.add,
        integrity.add,
        integrity.add_repair,
        migrate.add,
        bench.add_estimate,
        bench.add,
    ):
        add(commands)
    return parser
