"""Command `migrate`: moves scripts for Keras 1 and 2 to Keras 3."""

from __future__ import annotations

import argparse
from typing import Any


def add_migrate(commands: Any) -> None:
    """Adds the command `migrate`."""
    migrate = commands.add_parser(
        "migrate",
        help="move scripts for Keras 1 and 2 to Keras 3 and this package",
        description="Prints the changes that scripts for Keras 1 and 2 need as a unified diff, "
        "which `patch -p0 --binary` applies. Only code whose meaning is certain is changed; what "
        "you have to decide is listed on stderr as FILE:LINE: MESSAGE, and for notebooks as "
        "FILE:cell N:LINE: MESSAGE. Comments and formatting are kept, and a second run changes "
        "nothing more. Files that import each other are read as one program, so pass all of them, "
        "or their directory. Modules next to a script that it imports and that are not given are "
        "read and not changed.",
        epilog="Example: keras-bigdata migrate project/ --write. Exit status: 0 if all "
        "files were processed, changed or not; 1 if a file could not "
        "be read or written or is not Python 3 (the other files are still processed); 2 if the "
        "command line is invalid; 3 with --check if a file needs changes.",
    )
    migrate.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a Python script, a Jupyter notebook (.ipynb), or a directory that contains some; "
        "hidden directories, virtual environments and node_modules are skipped",
    )
    mode = migrate.add_mutually_exclusive_group()
    mode.add_argument(
        "--write", action="store_true", help="change the files instead of printing a diff"
    )
    mode.add_argument(
        "--check",
        action="store_true",
        help="print the names of the files that need changes, and exit with status 3 if there are "
        "any",
    )
    migrate.add_argument(
        "--diff", action="store_true", help="print a diff with --write and --check too"
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

    results = migrate_files(
        arguments.files,
        write=arguments.write,
        diff=arguments.diff or not (arguments.write or arguments.check),
    )
    if not results.succeeded:
        return 1
    return 3 if arguments.check and results.num_changed else 0
