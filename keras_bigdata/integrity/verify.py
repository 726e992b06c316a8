"""Checks a set of shards against its index, and against another set: `verify`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata.arguments import checked_names
from keras_bigdata.bounded_map import bounded_map
from keras_bigdata.errors import ShardError
from keras_bigdata.integrity.check_index import (
    check_class_counts,
    check_names,
    check_removed,
    load_index,
    shard_remedy,
)
from keras_bigdata.integrity.check_pickles import UnindexedPickle, check_pickles, find_other_reading
from keras_bigdata.integrity.check_shard import check_shard
from keras_bigdata.integrity.compare_sets import compare_sets
from keras_bigdata.integrity.report import Fault, Report
from keras_bigdata.integrity.set_files import SetFiles, checked_directories, list_files
from keras_bigdata.progress import Verbose, checked_verbose, summarize, track
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.opening.one_set import Reading, checked_layout
from keras_bigdata.shards.opening.open_shards import open_shards
from keras_bigdata.shards.opening.pickle_files import pickle_names

# More threads are not faster: one computes checksums at 4 GB/s, and disks are slower.
_THREADS = 2
_PENDING = 4

# Threads that check remote shards, and bytes of shards that they hold in memory together (but each
# at least one).
_REMOTE_THREADS = 4
_REMOTE_BYTES = 512 * 2**20


def verify(
    directory: str | os.PathLike[str],
    against: str | os.PathLike[str] | None = None,
    *,
    storage_options: Mapping[str, Any] | None = None,
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

    No pickle is executed, unless `trust=True`.

    A set behind a URL is read completely too, each shard once and into memory, a few at a time;
    nothing is taken from a cache. Its files are listed by one request. It must have an index.

    Args:
        directory: a directory of shards, with or without an index, or the URL of one with an index.
        against: another directory or URL. A row that is in both sets is a fault, such as a
            validation image among the training images, and so are classes or words that the two
            sets number differently. The first 20 rows are named, by their files if the shards have
            the column `file`, otherwise by their numbers in the source. Rows are equal if their
            values are: 0.0 equals -0.0, NaN equals NaN, and bytes between the fields of a structure
            do not count. They are compared by 128 bits of BLAKE2b; the memory needed is that of a
            few shards and some 250 MB, and the digests are written to temporary files. Defaults to
            `None`: no comparison.
        storage_options: options of the fsspec driver of the URLs. Defaults to `None`.
        fields: name or names of the fields to compare rows by. Both sets must have them, and the
            directory also if there is nothing to compare with. Defaults to `None`: inputs, targets
            and sample weights, or all fields of pickles without an index.
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
        StorageError: if a URL cannot be read, such as without permission: that is not a fault of
            the shards.
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
    folder, other = checked_directories(directory, "directory", against, "against", storage_options)
    files = list_files(folder)
    report = Report(folder)
    index = load_index(files, report)
    if index is not None:
        # With `against`, the message says in which of the sets it is missing.
        unknown = [name for name in names if name not in index.fields]
        if unknown and other is None:
            raise ShardError(
                f"{folder}: there is no field {unknown[0]!r}. The fields are: "
                f"{', '.join(map(repr, index.fields))}. Received: fields={list(names)}"
            )
        sound: Sequence[int] = _check_shards(index, files, report, trust, verbose)
        check_names(index, files, report)
        check_removed(index, report)
        if report.ok:
            check_class_counts(index, report, verbose)
    else:
        if isinstance(folder, Path):
            _check_unindexed(folder, report, names, layout, trust, verbose=verbose)
        elif report.faults:
            report.notes.append("without an index, the shards of a URL are not read.")
        else:
            ShardIndex.load(folder)  # raises the error for a set without an index
        sound = ()
    for name in files.temporary():
        report.notes.append(
            f"{folder / name}: was left by a writer that was killed; it may be deleted."
        )
    if other is not None:
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
    index: ShardIndex,
    files: SetFiles,
    remedy: str,
    *,
    trust: bool = False,
    verbose: Verbose = "auto",
) -> dict[int, Fault]:
    """Checks all shards of an index; returns the faults by the number of the shard."""
    threads = _THREADS
    if not isinstance(index.directory, Path):
        # Each thread holds a shard in memory.
        largest = int(index.sizes.max(initial=1))
        threads = max(1, min(_REMOTE_THREADS, _REMOTE_BYTES // max(1, largest)))
    faults = bounded_map(
        lambda shard: check_shard(index, shard, remedy, trust, files.sizes),
        range(len(index)),
        threads=threads,
        pending=2 * threads,
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


def _check_shards(
    index: ShardIndex, files: SetFiles, report: Report, trust: bool, verbose: Verbose
) -> list[int]:
    """Reports the faults of the shards; returns the numbers of those without one."""
    faults = find_faults(index, files, shard_remedy(index), trust=trust, verbose=verbose)
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
    second_reading = find_other_reading(folder, pickles, fields) if layout is None else None
    if second_reading is not None:
        file, reason = second_reading
        reason, _, remedy = reason.partition(". ")
        report.faults.append(Fault(file, "structure", "one way to read it", reason, remedy))
    report.shards = len(pickles)
    report.nbytes = sum(pickle.nbytes for pickle in pickles)
    report.notes.append(
        "without an index there are no checksums: bytes that changed in place are not detected."
    )
