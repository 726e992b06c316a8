"""Checks a set of shards against its index, and against another set: `verify`."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata.arguments import checked_names
from keras_bigdata.bounded_map import bounded_map
from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.files import local_path
from keras_bigdata.integrity.check_pickles import UnindexedPickle, check_pickles, read_differently
from keras_bigdata.integrity.check_shard import check_shard
from keras_bigdata.integrity.compare_sets import compare_sets
from keras_bigdata.integrity.report import Fault, Report
from keras_bigdata.progress import Verbose, checked_verbose, summarize, track
from keras_bigdata.representation import format_count, list_some
from keras_bigdata.shards.class_counts import count_in_shards
from keras_bigdata.shards.index import INDEX_NAME, ShardIndex
from keras_bigdata.shards.one_set import Reading, checked_layout
from keras_bigdata.shards.pickle_files import (
    has_index,
    missing_path_error,
    pickle_names,
    temporary_names,
)
from keras_bigdata.shards.removed_shards import removed_shards
from keras_bigdata.shards.scan import open_shards
from keras_bigdata.shards.shard_names import shard_number
from keras_bigdata.shards.shards import Shards
from keras_bigdata.shards.unfinished import find_unfinished
from keras_bigdata.storage.place import local_place

# More threads are not faster: one computes checksums at 4 GB/s, and disks are slower.
_THREADS = 2
_PENDING = 4


def verify(
    directory: str | os.PathLike[str],
    against: str | os.PathLike[str] | None = None,
    *,
    fields: str | Sequence[str] | None = None,
    layout: Reading = None,
    trust: bool = False,
    verbose: Verbose = "auto",
) -> Report:
    """Reads every shard of a set completely and reports all faults. Changes nothing.

    In a packed set, it compares the size and CRC-32 of each file, and the dtypes, shapes and byte
    offsets of its arrays with the index; it checks the offsets of rows of any length, and format
    and size in the header of each encoded image; it finds files that are missing and pickles that
    the index does not name; and it counts the rows of each class again.

    If the set has no index, it checks whether each pickle can be read, whether the pickles agree
    with each other, and whether they can be read in one way only, as `ShardSequence` does. They
    have no checksums, so bytes that changed in place are not detected.

    No pickle is executed.

    Args:
        directory: a directory of shards, with or without an index.
        against: another directory of shards. A row that is in both sets is a fault, such as a
            validation image among the training images, and so are classes or words that the two
            sets number differently. The first 20 rows are named, by their files if the shards have
            the column `file`, otherwise by their numbers in the source. Rows are equal if their
            values are: 0.0 equals -0.0, NaN equals NaN, and bytes between the fields of a structure
            do not count. They are compared by 128 bits of BLAKE2b; the memory needed is that of a
            few shards and some 250 MB, and the digests are written to temporary files. Defaults to
            `None`: no comparison.
        fields: name or names of the fields to compare rows by, and of those that pickles without
            an index must have. Defaults to `None`: inputs, targets and sample weights, or all
            fields of pickles without an index.
        layout: how pickles without an index are read, as in `ShardSequence`. Defaults to `None`.
        trust: whether to load pickles that cannot be read without running code. Use it only for
            files that you wrote yourself. Defaults to `False`.
        verbose: `0` for no output; `1` for a progress bar or `2` for lines, and a summary on
            stderr; `"auto"` for progress only if it takes long. Defaults to `"auto"`.

    Returns:
        A `Report`: `report.ok`, and `report.faults`, each a `Fault` with the `file`, the `kind`,
        what was `expected` and `found`, and the `remedy`. `print(report)` lists them.

    Raises:
        ShardError: if there is no such directory, or nothing to check in it, or if the two sets
            cannot be compared.
        TypeError, ValueError: if an argument has a wrong type or value.

    Example:

    ```python
    train, val = Arrays(x=x, labels=y).split(0.2)
    pack(train, "shards/train")
    pack(val, "shards/val")
    report = verify("shards/train", against="shards/val")
    for fault in report.faults:
        print(fault)
    ```
    """
    verbose = checked_verbose(verbose)
    layout = checked_layout(layout)
    names = () if fields is None else checked_names(fields, "fields")
    started = time.monotonic()
    folder = checked_directory(directory, "directory")
    report = Report(folder)
    index = _load_index(folder, report)
    if index is not None:
        sound: Sequence[int] = _check_shards(index, report, trust, verbose)
        _check_names(index, report)
        _check_removed(index, report)
        if report.ok:
            _check_class_counts(index, report, verbose)
    else:
        _check_unindexed(folder, report, names, layout, trust, verbose=verbose)
        sound = ()
    for name in temporary_names(folder):
        report.notes.append(
            f"{folder / name}: was left by a writer that was killed; it may be deleted."
        )
    if against is not None:
        other = checked_directory(against, "against")
        if index is None and report.faults:
            report.notes.append(f"the set was not compared with {other}: see the faults.")
        else:
            options: dict[str, Any] = {"used": names, "layout": layout, "trust": trust}
            options["verbose"] = verbose
            if index is None:
                index = open_shards(folder, **options)
                sound = range(len(index))
            second = open_shards(other, **options)
            compare_sets(report, index, sound, second, names, trust=trust, verbose=verbose)
    report.seconds = time.monotonic() - started
    summarize(report.summary(), verbose)
    return report


def find_faults(
    index: ShardIndex, remedy: str, *, trust: bool = False, verbose: Verbose = "auto"
) -> dict[int, Fault]:
    """Checks all shards of an index; returns the faults by the number of the shard."""
    faults = bounded_map(
        lambda shard: check_shard(index, shard, remedy, trust),
        range(len(index)),
        threads=_THREADS,
        pending=_PENDING,
    )
    title = f"Verifying {index.directory}"
    return {
        shard: fault
        for shard, fault in enumerate(track(faults, len(index), title, verbose=verbose))
        if fault is not None
    }


def read_unindexed(
    directory: Path, names: Sequence[str], trust: bool, *, verbose: Verbose = "auto"
) -> list[UnindexedPickle]:
    """Reads pickles that have no index."""
    pickles = bounded_map(
        lambda name: UnindexedPickle(directory / name, trust),
        names,
        threads=_THREADS,
        pending=_PENDING,
    )
    return list(track(pickles, len(names), f"Reading {directory}", verbose=verbose))


def checked_directory(directory: str | os.PathLike[str], argument: str) -> Path:
    """Returns the absolute path of a directory that exists and may be entered.

    Raises:
        ShardError: if it does not exist, or may not be entered.
        TypeError: if it is not a path, such as a `Shards`.
        ValueError: if it is a URL.
    """
    if isinstance(directory, Shards):
        raise TypeError(
            f"`{argument}` must be the path of a directory: whole files are checked, not selected "
            f"rows. Pass each directory by itself. Received: {argument}={directory!r}"
        )
    folder = Path(os.path.abspath(local_path(directory, argument)))
    if not os.path.isdir(folder):
        raise missing_path_error(folder, "directory")
    has_index(folder)  # raises if the directory may not be entered
    return folder


def _load_index(folder: Path, report: Report) -> ShardIndex | None:
    """Returns the index if it can be read; otherwise reports the fault, if there is one."""
    path = folder / INDEX_NAME
    if has_index(folder):
        try:
            return ShardIndex.load(folder)
        except CorruptShardError as error:
            reason = str(error).removeprefix(f"{path}: ").partition(". ")[0]
            remedy = (
                f"Restore it from a copy, or `keras-bigdata repair {folder}` creates one from the "
                "shards and reports what it cannot restore."
            )
            report.faults.append(Fault(str(path), "index", "an index", reason, remedy))
        return None
    unfinished = find_unfinished(os.listdir(folder))
    if unfinished is not None:
        found = f"{unfinished.writer} that was stopped, or is still running"
        report.faults.append(
            Fault(str(folder), "unfinished", "a complete set", found, unfinished.remedy)
        )
    return None


def _check_shards(index: ShardIndex, report: Report, trust: bool, verbose: Verbose) -> list[int]:
    """Reports the faults of the shards; returns the numbers of those without one."""
    faults = find_faults(index, _packed_remedy(index), trust=trust, verbose=verbose)
    sound = [shard for shard in range(len(index)) if shard not in faults]
    report.faults += faults.values()
    report.shards = len(index)
    report.variants = index.variants
    rows = np.zeros(index.variants, np.int64)
    np.add.at(rows, index.variant[sound], index.samples[sound])
    report.rows = int(rows.min())
    # Files with other faults were not read.
    read = [
        shard
        for shard in range(len(index))
        if shard not in faults or faults[shard].kind in ("checksum", "structure")
    ]
    report.nbytes = int(index.sizes[read].sum())
    return sound


def _packed_remedy(index: ShardIndex) -> str:
    """Returns the remedy for a damaged shard of a packed set."""
    if index.provenance.get("source"):
        return (
            "Restore the file from a copy, or pack it again from its source: keras_bigdata.repair("
            f"{str(index.directory)!r}, source=..., dry_run=False), or the `keras-bigdata pack` "
            f"command that packed it, with --repair. Or `keras-bigdata repair {index.directory}` "
            "removes it from the index."
        )
    return (
        "Restore the file from a copy, or write the set again. Or `keras-bigdata repair "
        f"{index.directory}` removes it from the index."
    )


def _check_names(index: ShardIndex, report: Report) -> None:
    """Reports pickles that the index does not name, and names that occur twice in it."""
    counts = Counter(index.names)
    folder = local_place(index.directory, "verify")
    extra = [name for name in pickle_names(folder) if name not in counts]
    if find_unfinished(os.listdir(folder)) is not None:
        new = [name for name in extra if shard_number(name)]
        extra = [name for name in extra if not shard_number(name)]
        report.notes.append(
            f"pack(append=True) was stopped, or is still running: {format_count(len(new), 'shard')}"
            " that the index does not name yet are not read. Make the same call again; it continues"
            " from there."
        )
    for name in extra:
        remedy = f"It is not read. Move it out of {index.directory}."
        found = "a pickle that the index does not name"
        report.faults.append(
            Fault(str(index.directory / name), "extra", "only shards of the index", found, remedy)
        )
    for name in sorted(name for name, count in counts.items() if count > 1):
        _add_index_fault(index, report, "each shard once", f"{name} {counts[name]} times")


def _check_removed(index: ShardIndex, report: Report) -> None:
    """Notes the shards that an earlier repair has removed."""
    try:
        removed = removed_shards(index)
    except CorruptShardError as error:
        _add_index_fault(
            index, report, "the shards that were removed", str(error).partition(": ")[2]
        )
        return
    if removed:
        rows = sum(info.samples for info in removed if not info.variant)
        report.notes.append(
            f"an earlier repair removed {format_count(len(removed), 'shard')} "
            f"({format_count(rows, 'row')}): {list_some([info.name for info in removed], 5)}."
        )


def _check_class_counts(index: ShardIndex, report: Report, verbose: Verbose) -> None:
    if index.class_counts is None:
        return
    try:
        counts = count_in_shards(index, verbose=verbose)
    except ShardError as error:
        _add_index_fault(index, report, "labels of its classes", str(error).rstrip("."))
        return
    if counts != index.class_counts:
        expected = f"class counts {_format_counts(index.class_counts)}"
        found = "none" if counts is None else _format_counts(counts)
        _add_index_fault(index, report, expected, found)


def _add_index_fault(index: ShardIndex, report: Report, expected: str, found: str) -> None:
    path = str(index.directory / INDEX_NAME)
    report.faults.append(
        Fault(path, "index", expected, found.rstrip("."), "Restore the index from a copy.")
    )


def _format_counts(counts: Sequence[int]) -> str:
    return f"[{', '.join(map(str, counts[:20]))}{', ...' if len(counts) > 20 else ''}]"


def _check_unindexed(
    folder: Path,
    report: Report,
    fields: Sequence[str],
    layout: Reading,
    trust: bool,
    *,
    verbose: Verbose,
) -> None:
    names = pickle_names(folder)
    if not names:
        if report.faults:
            return
        raise ShardError(f"{folder}: there are no pickles and no index. Check the path.")
    pickles = read_unindexed(folder, names, trust, verbose=verbose)
    remedy = "Restore the file or write it again, or move it out of the directory."
    faults, report.rows = check_pickles(pickles, fields, remedy)
    report.faults += faults
    second_reading = read_differently(folder, pickles, fields) if layout is None else None
    if second_reading is not None:
        file, reason = second_reading
        reason, _, remedy = reason.partition(". ")
        report.faults.append(Fault(file, "structure", "one way to read it", reason, remedy))
    report.shards = len(pickles)
    report.nbytes = sum(pickle.nbytes for pickle in pickles)
    report.notes.append(
        "without an index there are no checksums: bytes that changed in place are not detected."
    )
