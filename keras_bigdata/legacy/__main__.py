"""Runs a script that was written for Keras 1 or 2: `python -m keras_bigdata.legacy SCRIPT ...`."""

from __future__ import annotations

import argparse
import os
import runpy
import sys

from keras_bigdata import legacy
from keras_bigdata.legacy.calling_script import set_runs_old_script


def main(arguments: list[str]) -> None:
    """Installs the old methods, then runs the script as `python SCRIPT ...` would.

    Args:
        arguments: the command line without the name of the program.

    Raises:
        SystemExit: if the command line is invalid or the script does not exist.
    """
    parser = argparse.ArgumentParser(
        prog="python -m keras_bigdata.legacy",
        description="Runs a script that was written for Keras 1 or Keras 2 on Keras 3.",
    )
    parser.add_argument(
        "--keras",
        type=int,
        choices=(1, 2),
        help="the version for calls that show none: positional step counts are numbers of samples "
        "(1) or of batches (2), and Conv2D(8, 3, 3) has a kernel of 3 x 3 (1) or strides of 3 (2)",
    )
    parser.add_argument(
        "-m",
        "--module",
        action="store_true",
        help="SCRIPT is the name of a module, as in `python -m`",
    )
    parser.add_argument("script", metavar="SCRIPT")
    parser.add_argument("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER)
    parsed = parser.parse_args(arguments)
    if not parsed.module and not os.path.exists(parsed.script):
        parser.error(f"there is no script {parsed.script!r}")

    legacy.install(parsed.keras)
    set_runs_old_script(parsed.keras is None)
    sys.argv = [parsed.script, *parsed.arguments]
    if parsed.module:
        sys.path[0] = os.getcwd()
        runpy.run_module(parsed.script, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(parsed.script))
        runpy.run_path(parsed.script, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
