"""Compares two sets: rows that are in both, and classes that the sets number differently."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.integrity.duplicates import Duplicates, find_duplicates
from keras_bigdata.integrity.report import Fault, Report
from keras_bigdata.progress import Verbose
from keras_bigdata.shards.different_classes import different_classes
from keras_bigdata.shards.index import ShardIndex


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
        raise ShardError(f"{other.directory}: is the same directory. Pass another one.")
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
    shards = (sound, range(len(other)))
    try:
        duplicates = find_duplicates(index, other, names, shards, trust, verbose=verbose)
    except CorruptShardError as error:
        report.faults.append(
            Fault(
                str(other.directory),
                "unreadable",
                "shards to compare with",
                str(error).rstrip("."),
                f"See `keras-bigdata verify {other.directory}`.",
            )
        )
        return
    if duplicates.rows:
        report.faults.append(_duplicates_fault(report, index, other, names, duplicates))
        report.duplicates = duplicates.pairs


def _duplicates_fault(
    report: Report,
    index: ShardIndex,
    other: ShardIndex,
    names: Sequence[str],
    duplicates: Duplicates,
) -> Fault:
    file, row, other_file, other_row = duplicates.pairs[0]
    together = f" in {index.variants} variants together" if index.variants > 1 else ""
    return Fault(
        str(report.directory),
        "duplicates",
        f"no row that is in {other.directory}",
        f"{duplicates.rows}{together}, such as row {row} of {Path(file).name}, which is row "
        f"{other_row} of {Path(other_file).name}",
        f"Rows were compared by {', '.join(names)}. Split again so that equal rows are on one "
        "side, or drop them.",
    )
