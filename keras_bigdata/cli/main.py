"""The parser of the command line, its error messages and its exit status."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from keras_bigdata import __version__
from keras_bigdata.cli.bench import add_bench
from keras_bigdata.cli.completion import add_completion, subcommands
from keras_bigdata.cli.estimate import add_estimate
from keras_bigdata.cli.info import add_info
from keras_bigdata.cli.integrity import add_repair, add_verify
from keras_bigdata.cli.migrate import add_migrate
from keras_bigdata.cli.option_names import in_options
from keras_bigdata.cli.pack import add_pack
from keras_bigdata.cli.report import add_report
from keras_bigdata.cli.show import add_show
from keras_bigdata.cli.shuffle import add_shuffle_report
from keras_bigdata.errors import BigDataError

_EXIT_STATUS = """\
Exit status:
  0    success
  1    an error, or a command that checks (verify, repair without --yes) has found faults
  2    the command line is invalid
  3    migrate --check: a file needs changes
  130  interrupted by Ctrl-C

Example: keras-bigdata info shards/train
'keras-bigdata COMMAND --help' describes a command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit status.

    Args:
        arguments: the command-line arguments. Defaults to `None`: those of the process.

    Returns:
        0 on success; 1 after an error, or if the command found faults; 3 if `migrate --check` found
        files that need changes; 130 after Ctrl-C.

    Raises:
        SystemExit: with status 2 if the command line is invalid, with status 0 after `--help`.
    """
    parsed = _build_parser().parse_args(arguments)
    try:
        return parsed.run(parsed) or 0
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has closed it
        sys.stdout = None
        return 0
    except (BigDataError, ValueError, OSError, ImportError) as error:
        if parsed.debug:
            traceback.print_exc()
        print(f"keras-bigdata: {in_options(str(error), parsed)}", file=sys.stderr)
        return 1
    except Exception as error:
        # Not an expected error: without the traceback it could not be reported.
        if parsed.debug:
            traceback.print_exc()
        print(
            f"keras-bigdata: unexpected {type(error).__name__}: {error}. This is a fault of "
            "keras-bigdata. Add --debug for the traceback, and report it.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f"keras-bigdata: interrupted. {parsed.after_interrupt}", file=sys.stderr)
        return 130


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-bigdata",
        description="Packs data for Keras into shards, and checks, repairs and measures them.",
        epilog=_EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(debug=False, after_interrupt="Run the same command again to start over.")
    parser.add_argument("--version", action="version", version=__version__)
    add_completion(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add_command in (
        add_pack,
        add_info,
        add_verify,
        add_repair,
        add_migrate,
        add_estimate,
        add_bench,
        add_report,
        add_show,
        add_shuffle_report,
    ):
        add_command(commands)
    for each in (parser, *subcommands(parser)):
        each.add_argument(
            "--debug",
            action="store_true",
            default=argparse.SUPPRESS,  # a command must not undo what stands before it
            help="print the traceback of an error",
        )
    return parser
