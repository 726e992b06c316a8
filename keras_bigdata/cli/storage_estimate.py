"""`estimate` of a folder of image files: what the forms of stored images cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_bigdata.cli.argument_types import parse_size
from keras_bigdata.cli.formatting import print_json
from keras_bigdata.representation import format_bytes, format_count

if TYPE_CHECKING:
    import argparse

    from keras_bigdata.packing.forms.storage_cost import StorageCost


def add_image_options(estimate: Any) -> None:
    """Adds the options of a folder of image files."""
    estimate.add_argument(
        "--size",
        type=parse_size,
        metavar="HEIGHTxWIDTH",
        help="DIR is a directory of image files: print what it costs to store them with this size "
        "as pixels, JPEG, PNG or the files as they are, and what limits reading them",
    )
    estimate.add_argument(
        "--quality", type=int, metavar="N", help="with --size: quality of JPEG (default: 90)"
    )
    estimate.add_argument(
        "--grayscale", action="store_true", help="with --size: one channel instead of three"
    )
    estimate.add_argument(
        "-o",
        "--output",
        metavar="OUTPUT",
        help="with --size: where the shards would be written; its disk is measured (default: DIR)",
    )


def run_storage_estimate(arguments: argparse.Namespace) -> None:
    """Prints what the forms cost, and which of them is read fastest."""
    from keras_bigdata.packing.storage_estimate import estimate_storage

    cost = estimate_storage(
        arguments.directory,
        arguments.size,
        quality=arguments.quality,
        color="grayscale" if arguments.grayscale else "rgb",
        directory=arguments.output,
    )
    if arguments.json:
        print_json(_figures(cost))
        return
    disk = "unknown" if cost.disk_rate is None else f"{format_bytes(cost.disk_rate)}/s"
    height, width = arguments.size
    print(
        f"{format_count(cost.images, 'image')} of {height}x{width}; disk: {disk}; "
        f"{format_count(cost.cores, 'core')}; memory: {format_bytes(cost.memory)}; JPEG is decoded "
        f"by {cost.decoder}"
    )
    _print_table(cost)
    in_memory = [form for form in cost.forms if cost.stays_in_memory(form)]
    if in_memory:
        print(
            f"In half of the memory fit: {', '.join(in_memory)}. The disk then limits the first "
            "epoch only."
        )
    print(f'store="auto" would choose "{cost.choice}": {cost.reason}.')


def _figures(cost: StorageCost) -> dict[str, Any]:
    """Returns what is printed, for scripts."""
    return {
        "images": cost.images,
        "disk_bytes_per_second": cost.disk_rate,
        "cores": cost.cores,
        "memory": cost.memory,
        "decoder": cost.decoder,
        "forms": {
            form: {
                "image_bytes": each.image_bytes,
                "set_bytes": cost.set_bytes(form),
                "disk_images_per_second": cost.disk_images(form),
                "decoded_images_per_second": cost.decoded_images(form),
                "limit": cost.limit(form),
                "stays_in_memory": cost.stays_in_memory(form),
            }
            for form, each in cost.forms.items()
        },
        "choice": cost.choice,
        "reason": cost.reason,
    }


def _print_table(cost: StorageCost) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None)
    table.add_column("form", no_wrap=True)
    for heading in ("bytes/image", "set", "disk, images/s", "decoder, images/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("limit", no_wrap=True)
    for form, each in cost.forms.items():
        table.add_row(
            form,
            f"{each.image_bytes:,.0f}",
            format_bytes(cost.set_bytes(form)),
            _format_rate(cost.disk_images(form), "unknown"),
            _format_rate(cost.decoded_images(form), "-"),
            cost.limit(form),
        )
    console.print(table)


def _format_rate(rate: float | None, missing: str) -> str:
    return missing if rate is None else f"{rate:,.0f}"
