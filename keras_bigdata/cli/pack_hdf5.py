"""`pack hdf5`: datasets of an HDF5 file to shards."""

from __future__ import annotations

import argparse
from typing import Any

from keras_bigdata.cli.pack_options import add_options, from_like, pack_source


def add(commands: Any) -> None:
    hdf5 = commands.add_parser(
        "hdf5",
        help="pack datasets of an HDF5 file",
        description="Packs datasets whose rows belong together. Of a file that is larger than "
        "memory only parts are read at a time.",
    )
    hdf5.add_argument("source", metavar="FILE")
    hdf5.add_argument(
        "--image",
        default="x",
        metavar="DATASET",
        help="dataset of the pictures or other inputs (default: x)",
    )
    hdf5.add_argument(
        "--label", metavar="DATASET", help="dataset of the labels (default: y, without --target)"
    )
    hdf5.add_argument("--text", metavar="DATASET", help="dataset of texts")
    hdf5.add_argument(
        "--target",
        action="append",
        metavar="DATASET",
        help="dataset of numbers to predict, instead of labels; may be given several times",
    )
    hdf5.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="DATASET",
        help="dataset of further inputs; may be given several times",
    )
    add_options(hdf5)
    hdf5.set_defaults(run=_pack_hdf5, again="goes on from here")


def _pack_hdf5(arguments: argparse.Namespace) -> None:
    from keras_bigdata.packing.sources.hdf5 import HDF5Table

    roles: dict[str, Any] = {}
    label = arguments.label
    if arguments.target:
        targets = [name.rpartition("/")[2] for name in arguments.target]
        if label is not None:
            targets.append("labels")
        roles["targets"] = targets[0] if len(targets) == 1 else tuple(targets)
    elif label is None:
        label = "y"
    source = HDF5Table(
        arguments.source,
        arguments.image,
        label,
        arguments.text,
        columns=[*arguments.column, *(arguments.target or ())],
        **roles,
        **from_like(
            arguments,
            text=arguments.text is not None,
            label=label is not None,
            always_classes=False,  # one-hot labels have none
        ),
    )
    pack_source(arguments, source)
