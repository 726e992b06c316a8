"""`info`: what a directory of shards holds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from keras_bigdata.cli.formatting import counted, in_bytes


def add(commands: Any) -> None:
    info = commands.add_parser("info", help="say what a directory of shards holds")
    info.add_argument("directory", help="a directory of shards or bare pickles, or one pickle")
    info.set_defaults(run=_info)


def _info(arguments: argparse.Namespace) -> None:
    from keras_bigdata.shards.scan import open_shards

    index = open_shards(arguments.directory)
    scanned = index.provenance.get("by") == "scan"
    print(f"{arguments.directory}: {'bare pickles without an index' if scanned else 'packed'}")
    variants = f" in each of {index.variants} variants" if index.variants > 1 else ""
    print(f"samples: {index.num_samples}{variants}")
    smallest, largest = int(index.samples.min()), int(index.samples.max())
    rows = f"{smallest}" if smallest == largest else f"{smallest} to {largest}"
    print(f"shards:  {len(index)} of {rows} samples, {in_bytes(index.sizes.sum())}")
    print("fields:")
    for field in index.fields.values():
        print(f"  {field}, {in_bytes(field.row_bytes)} a row")
    for name, why in index.skipped_fields.items():
        print(f"  {name!r} is no field: {why}")
    for role, value in index.roles.to_json().items():
        if value is not None:
            print(f"{role}: {value}")
    if isinstance(index.classes, dict):
        for name, classes in index.classes.items():
            print(f"classes of {name}: {len(classes)} ({', '.join(map(str, classes[:10]))})")
    elif index.classes is not None:
        print(f"classes: {len(index.classes)}")
        counts: Sequence[Any] = index.class_counts or ["?"] * len(index.classes)
        for number, (label, count) in enumerate(zip(index.classes, counts, strict=True)):
            print(f"  {number}: {label} ({count})")
    if index.vocabulary is not None:
        print(f"vocabulary: {len(index.vocabulary)} words")
    skipped = index.provenance.get("skipped", [])
    if skipped:
        print(f"left out while packing: {counted(len(skipped), 'row')}")
        for entry in skipped[:10]:
            print(f"  row {entry['row']}: {entry['error']}")
