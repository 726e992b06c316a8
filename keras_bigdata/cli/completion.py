"""Completion of the command line by shells, with shtab (extra `completion`)."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

_SHELLS = ("bash", "zsh", "tcsh")

# Metavars of arguments that a shell completes with names of files, or of directories.
_FILES = ("FILE", "SOURCE", "CSV")
_DIRECTORIES = ("DIR", "DIR2", "RUN", "OUTPUT", "CACHE")


def add_completion(parser: argparse.ArgumentParser) -> None:
    """Adds the option `--print-completion`."""
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=_SHELLS,
        metavar="SHELL",
        help="print a script with which a shell (bash, zsh or tcsh) completes commands and "
        "options, and exit; it needs shtab (pip install 'keras_bigdata[completion]')",
    )


def subcommands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yields the parsers of all commands and their kinds."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield each
                yield from subcommands(each)


class _PrintCompletion(argparse.Action):
    """Prints the script for a shell and ends the program."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        try:
            import shtab
        except ImportError:
            parser.exit(
                1,
                f"{parser.prog}: --print-completion needs shtab, which is not installed. Install "
                "it with: pip install 'keras_bigdata[completion]' (or: pip install shtab)\n",
            )
        for command in subcommands(parser):
            for action in command._actions:
                if action.metavar in _FILES:
                    action.complete = shtab.FILE  # type: ignore[attr-defined]
                elif action.metavar in _DIRECTORIES:
                    action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        print(shtab.complete(parser, values))
        parser.exit()
