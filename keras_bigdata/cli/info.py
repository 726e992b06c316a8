"""Command `info`: describes a directory of shards."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_bigdata.cli.argument_types import add_layout
from keras_bigdata.cli.formatting import add_json, print_json
from keras_bigdata.cli.url_options import add_storage_option, checked_options
from keras_bigdata.representation import format_bytes, format_count
from keras_bigdata.shards.index.shard_index import ShardIndex

if TYPE_CHECKING:
    from keras_bigdata.shards.fields.entries import Field

# Maximum number of classes of one of several targets, and of skipped rows, that are printed.
_LISTED = 10


def add_info(commands: Any) -> None:
    """Adds the command `info`."""
    info = commands.add_parser(
        "info",
        help="describe a directory of shards",
        description="Prints the number of samples, the shards, the fields and their roles, the "
        "metadata columns, the classes and the size of the vocabulary.",
        epilog="Example: keras-bigdata info shards/train",
    )
    info.add_argument(
        "directory",
        metavar="DIR",
        help="directory of packed shards, its URL, a directory of pickles without an index, or one "
        "pickle",
    )
    add_layout(info)
    add_json(info)
    add_storage_option(info)
    info.set_defaults(run=run_info)


def run_info(arguments: argparse.Namespace) -> None:
    """Prints what the index says, or what a scan of the pickles finds."""
    from keras_bigdata.shards.opening.open_shards import open_shards

    index = open_shards(
        arguments.directory,
        layout=arguments.layout,
        storage_options=checked_options(arguments, arguments.directory),
    )
    scanned = index.provenance.get("by") == "scan"
    if arguments.json:
        print_json({"directory": arguments.directory, "packed": not scanned, **_figures(index)})
        return
    print(f"{arguments.directory}: {'pickles without an index' if scanned else 'packed shards'}")
    variants = f" in each of {index.variants} variants" if index.variants > 1 else ""
    print(f"samples: {index.num_samples}{variants}")
    smallest, largest = int(index.samples.min()), int(index.samples.max())
    rows = f"{smallest}" if smallest == largest else f"{smallest} to {largest}"
    print(f"shards: {len(index)} of {rows} samples, {format_bytes(index.sizes.sum())}")
    _print_fields(index)
    for role, names in index.roles.to_json().items():
        if names is not None:
            print(f"{role}: {names}")
    if isinstance(index.classes, dict):
        for name, classes in index.classes.items():
            first = ", ".join(map(str, classes[:_LISTED])) + (", ..." * (len(classes) > _LISTED))
            print(f"classes of {name}: {len(classes)} ({first})")
    elif index.classes is not None:
        print(f"classes: {len(index.classes)}")
        counts: Sequence[Any] = index.class_counts or ["?"] * len(index.classes)
        for number, (label, count) in enumerate(zip(index.classes, counts, strict=True)):
            print(f"  {number}: {label} ({count})")
    if index.vocabulary is not None:
        print(f"vocabulary: {len(index.vocabulary)} words")
    _print_packs(index)


def _figures(index: ShardIndex) -> dict[str, Any]:
    """Returns what `info` prints, for scripts. Names are never shortened."""
    from keras_bigdata.packing.calls.pack_records import pack_records

    records = pack_records(index)[1:]
    skipped = list(index.provenance.get("skipped", []))
    skipped += [entry for record in records for entry in record.content["skipped"]]
    return {
        "samples": index.num_samples,
        "variants": index.variants,
        "shards": len(index),
        "bytes": index.sizes.sum(),
        "fields": {
            name: {"dtype": field.dtype, "shape": field.shape, "row_bytes": field.row_bytes}
            for name, field in index.fields.items()
        },
        "skipped_fields": index.skipped_fields,
        "columns": list(index.columns),
        "roles": index.roles.to_json(),
        "classes": index.classes,
        "class_counts": index.class_counts,
        "vocabulary": None if index.vocabulary is None else len(index.vocabulary),
        "appended": len(records),
        "skipped": skipped,
    }


def _print_packs(index: ShardIndex) -> None:
    """Prints how many packs were appended, and the rows that were left out."""
    from keras_bigdata.packing.calls.pack_records import pack_records

    appended = pack_records(index)[1:]
    if appended:
        print(f"appended: {format_count(len(appended), 'pack')}")
    skipped = list(index.provenance.get("skipped", []))
    skipped += [entry for record in appended for entry in record.content["skipped"]]
    if skipped:
        print(f"skipped while packing: {format_count(len(skipped), 'row')}")
        for entry in skipped[:_LISTED]:
            print(f"  row {entry['row']}: {entry['error']}")
        if len(skipped) > _LISTED:
            print("  ...")


def _describe_row_bytes(index: ShardIndex, field: Field) -> str:
    """Returns the bytes of a row in the file, and of encoded images those of the pixels too."""
    from keras_bigdata.shards.reading.read_column import stored_bytes_per_row

    if not field.is_varlen:
        return f"{format_bytes(field.row_bytes)} per row"
    stored = stored_bytes_per_row(index, field.name)
    size = "any number of bytes" if stored is None else f"about {format_bytes(stored)}"
    decoded = f", decoded {format_bytes(field.row_bytes)}" if field.row_bytes else ""
    return f"{size} per row{decoded}"


def _print_fields(index: ShardIndex) -> None:
    """Prints the fields, those that are skipped, and the metadata columns."""
    print("fields:")
    for field in index.fields.values():
        print(f"  {field}, {_describe_row_bytes(index, field)}")
    for name, reason in index.skipped_fields.items():
        print(f"  {name!r} is not a field: {reason}")
    if index.columns:
        print("metadata columns:")
        for column in index.columns.values():
            print(f"  {column}")
