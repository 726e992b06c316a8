"""Command `migrate`: moves scripts for Keras 1 and 2 to Keras 3."""

from __future__ import annotations

import argparse
from typing import Any


def add_migrate(commands: Any) -> None:
    """Adds the command `migrate`."""
    migrate = commands.add_parser(
        "migrate",
        help="move scripts for Keras 1 and 2 to Keras 3 and this package",
        description="Prints the changes that scripts for Keras 1 and 2 need as a unified diff. "
        "Only code whose meaning is certain is changed; what you have to decide is listed on "
        "stderr as FILE:LINE: MESSAGE. Comments and formatting are kept, and a second run changes "
        "nothing more.",
        epilog="Exit status: 0 if all files were processed, changed or not; 1 if a file could not "
        "be read or written or is not Python 3 (the other files are still processed); 2 if the "
        "command line is invalid.",
    )
    migrate.add_argument("files", nargs="+", metavar="FILE", help="a Python script")
    migrate.add_argument(
        "--write", action="store_true", help="change the files instead of printing a diff"
    )
    migrate.set_defaults(run=run_migrate)


def run_migrate(arguments: argparse.Namespace) -> int:
    """Prints or writes the changes and returns the exit status."""
    try:
        import libcst  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "migrate needs libcst, which is not installed. Install it with: "
            "pip install 'libcst>=1.8'"
        ) from error
    from keras_bigdata.migrate.script_files import migrate_files

    return 0 if migrate_files(arguments.files, write=arguments.write) else 1
