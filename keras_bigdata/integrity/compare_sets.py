"""Compares two sets: rows that are in both, and classes that the sets number differently."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.integrity.duplicates import find_duplicates
from keras_bigdata.integrity.report import Fault, Report
from keras_bigdata.integrity.row_names import describe_row, name_rows
from keras_bigdata.progress import Verbose
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.reading.different_classes import different_classes


def compare_sets(
    report: Report,
    index: ShardIndex,
    sound: Sequence[int],
    other: ShardIndex,
    fields: Sequence[str],
    *,
    trust: bool,
    verbose: Verbose,
) -> None:
    """Adds what two sets share, and what differs in their classes, to the report of the first.

    Args:
        report: the report of the first set.
        index: the first set.
        sound: its shards without a fault.
        other: the second set.
        fields: names of the fields to compare rows by; if empty, those that have a role, or all.
        trust: as in `open_shards`.
        verbose: how progress is shown, as in `track`.

    Raises:
        ShardError: if both are the same directory, or if the fields differ.
    """
    if other.directory == index.directory:
        raise ShardError(
            f"{other.directory}: `against` is the directory that is verified. Pass another one."
        )
    difference = different_classes(index, other)
    if difference is not None:
        remedy = (
            "Pack one of the sets again with classes= and vocabulary=, each the ShardIndex of the "
            "other (keras-bigdata pack: --like). Rows that differ only in the number of a class "
            "are not found as equal."
        )
        expected = f"classes and words numbered as in {other.directory}"
        report.faults.append(Fault(str(report.directory), "classes", expected, difference, remedy))
    names = fields or index.roles.names or other.roles.names or tuple(index.fields)
    encoded = [name for name in names if name in index.fields and index.fields[name].is_encoded]
    if encoded:
        report.notes.append(
            f"{', '.join(encoded)}: encoded images were compared by the bytes that are stored. The "
            "same image that was encoded in another way, such as with another quality, is not "
            "found."
        )
    shards = (sound, range(len(other)))
    try:
        duplicates = find_duplicates(index, other, names, shards, trust, verbose=verbose)
    except CorruptShardError as error:
        report.faults.append(_unreadable_fault(other, error))
        return
    if not duplicates.rows:
        return
    places = duplicates.places
    report.duplicates = [
        (str(index.path(shard)), row, str(other.path(other_shard)), other_row)
        for shard, row, other_shard, other_row in places
    ]
    unreadable = None
    try:
        mine = name_rows(index, [place[:2] for place in places], trust)
        theirs = name_rows(other, [place[2:] for place in places], trust)
        report.duplicate_names = list(zip(mine, theirs, strict=True))
    except CorruptShardError as error:  # the fields of the other set could be read
        unreadable = _unreadable_fault(other, error)
    report.faults.append(_duplicates_fault(report, index, other, names, duplicates.rows))
    if unreadable is not None:
        report.faults.append(unreadable)


def _unreadable_fault(other: ShardIndex, error: CorruptShardError) -> Fault:
    return Fault(
        str(other.directory),
        "unreadable",
        "shards to compare with",
        str(error).rstrip("."),
        f"See `keras-bigdata verify {other.directory}`.",
    )


def _duplicates_fault(
    report: Report, index: ShardIndex, other: ShardIndex, names: Sequence[str], rows: int
) -> Fault:
    file, row, other_file, other_row = report.duplicates[0]
    name, other_name = report.duplicate_names[0] if report.duplicate_names else (None, None)
    together = f" in {index.variants} variants together" if index.variants > 1 else ""
    return Fault(
        str(report.directory),
        "duplicates",
        f"no row that is in {other.directory}",
        f"{rows}{together}, such as {describe_row(row, name)} of {Path(file).name}, which is "
        f"{describe_row(other_row, other_name)} of {Path(other_file).name}",
        f"Rows were compared by {', '.join(names)}. Split again so that equal rows are on one "
        "side, or drop them.",
    )
