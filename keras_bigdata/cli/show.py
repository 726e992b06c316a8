"""Command `show`: images of a set, in the terminal or as an HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_bigdata.cli.formatting import add_json, print_json
from keras_bigdata.cli.url_options import add_storage_option, checked_options
from keras_bigdata.files import replace_file

if TYPE_CHECKING:
    from keras_bigdata.plots.sample_images import SampleImages


def add_show(commands: Any) -> None:
    """Adds the command `show`."""
    show = commands.add_parser(
        "show",
        help="show images of a set with their labels and files",
        description="Shows images that lie at equal distances in a set, with their labels and "
        "files: on a terminal with colors as characters, elsewhere their labels and "
        "files as lines. With --json, prints the rows, sizes, labels and whole file names.",
        epilog="Example: keras-bigdata show shards/train --count 12 --html photos.html",
    )
    show.add_argument("directory", metavar="DIR", help="directory of shards, or its URL")
    show.add_argument(
        "--count", type=int, default=24, metavar="N", help="number of images (default: 24)"
    )
    show.add_argument("--field", metavar="NAME", help="field of images (default: the first one)")
    show.add_argument(
        "--width",
        type=int,
        default=20,
        metavar="N",
        help="characters in a line of an image on a terminal (default: 20)",
    )
    show.add_argument(
        "--html", metavar="FILE", help="write one HTML file instead, which needs no network"
    )
    add_json(show)
    add_storage_option(show)
    show.set_defaults(run=run_show)


def run_show(arguments: argparse.Namespace) -> None:
    """Prints the images, or writes the page and prints its name."""
    from keras_bigdata.arguments import checked_int

    options = checked_options(arguments, arguments.directory)
    checked_int(arguments.count, "--count", 1)
    checked_int(arguments.width, "--width", 1)
    if arguments.html is not None:
        if arguments.json:
            raise ValueError("--html writes a page, and --json prints JSON. Leave one of them out.")
        _write_page(arguments, options)
        return
    from keras_bigdata.plots.sample_images import read_samples
    from keras_bigdata.shards.shards import Shards

    shards = Shards(arguments.directory, storage_options=options)
    found = read_samples(shards, arguments.count, arguments.field)
    if arguments.json:
        print_json({"directory": arguments.directory, "samples": len(shards), **_figures(found)})
        return
    from rich.console import Console

    from keras_bigdata.plots.terminal_images import image_grid

    console = Console()
    if console.is_terminal and console.color_system is not None and not console.no_color:
        grid = image_grid(found.images, found.captions, console.width, cell=arguments.width)
        console.print(grid)
        return
    for image, caption, position in zip(
        found.images, found.captions, found.positions.tolist(), strict=True
    ):
        size = "any size" if found.is_resized else "x".join(map(str, image.shape[:2]))
        texts = [line for line in caption.split("\n") if line]
        print("\t".join([f"row {position}", size, *texts]))


def _figures(found: SampleImages) -> dict[str, Any]:
    """Returns what is known about the images. The size is `None` if it differs from row to row."""
    unknown: list[Any] = [None] * len(found.images)
    height, width = (None, None) if found.is_resized else found.images.shape[1:3]
    return {
        "field": found.field,
        "images": [
            {"row": position, "height": height, "width": width, "label": label, "file": file}
            for position, label, file in zip(
                found.positions.tolist(),
                found.labels or unknown,
                found.files or unknown,
                strict=True,
            )
        ],
    }


def _write_page(arguments: argparse.Namespace, options: Any) -> None:
    from keras_bigdata.report.contact_sheet import contact_sheet_page

    page = contact_sheet_page(
        arguments.directory, arguments.count, field=arguments.field, storage_options=options
    )

    def write(path: Path) -> None:
        path.write_text(page, encoding="utf-8")

    replace_file(Path(arguments.html), write)
    print(arguments.html)
