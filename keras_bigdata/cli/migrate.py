"""`migrate`: legacy scripts moved to today's Keras."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    migrate = commands.add_parser(
        "migrate",
        help="move legacy Keras scripts to today's Keras and this package",
        description="Prints, as a unified diff, what has to be changed in scripts for Keras 1 and "
        "2 and is surely understood. What a person has to decide is listed on stderr as "
        "FILE:LINE: MESSAGE. Comments and formatting are kept; a second run changes nothing more.",
        epilog="Exit status: 0 if all files were done, whether or not something was changed or "
        "listed; 1 if one could not be read, is not Python 3 or could not be written (the others "
        "are done all the same); 2 if the command line is wrong.",
    )
    migrate.add_argument("files", nargs="+", metavar="FILE", help="a Python script")
    migrate.add_argument("--write", action="store_true", help="change the files; print no diff")
    migrate.set_defaults(run=_migrate)


def _migrate(arguments: argparse.Namespace) -> int:
    try:
        import libcst  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "migrate reads scripts with libcst, which is not installed. Install it with: pip "
            "install 'keras_bigdata[migrate]'"
        ) from error
    from keras_bigdata.migrate.script_files import migrate_files

    return 0 if migrate_files(arguments.files, write=arguments.write) else 1
