"""Command `report`: one HTML page about a training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from keras_bigdata.cli.url_options import add_storage_option, checked_options
from keras_bigdata.files import replace_file
from keras_bigdata.storage.urls.url import is_remote

_DEFAULT = "report.html"


def add_report(commands: Any) -> None:
    """Adds the command `report`."""
    report = commands.add_parser(
        "report",
        help="make an HTML page about a training",
        description="Makes one HTML file of the record that InputReport(directory=RUN) has "
        "written: scores, waiting for data, all epochs, data and settings. It needs no network. "
        "Requires matplotlib (pip install 'keras_bigdata[plot]').",
        epilog="Example: keras-bigdata report runs/1 --output run1.html",
    )
    report.add_argument("directory", metavar="RUN", help="directory of the record, or its URL")
    report.add_argument(
        "--output",
        metavar="FILE",
        help=f"the file to write (default: {_DEFAULT} in RUN, or here if RUN is a URL)",
    )
    add_storage_option(report)
    report.set_defaults(run=run_report)


def run_report(arguments: argparse.Namespace) -> None:
    """Writes the page and prints its name."""
    from keras_bigdata.report.training_page import report_page

    options = checked_options(arguments, arguments.directory)
    page = report_page(arguments.directory, options)
    where = Path() if is_remote(arguments.directory) else Path(arguments.directory)
    output = where / _DEFAULT if arguments.output is None else Path(arguments.output)

    def write(path: Path) -> None:
        path.write_text(page, encoding="utf-8")

    replace_file(output, write)
    print(output)
