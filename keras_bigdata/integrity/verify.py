"""`verify`: is a set of shards what it should be?"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.integrity.check_pickles import BareFile, check_bare
from keras_bigdata.integrity.check_shard import check_content
from keras_bigdata.integrity.duplicates import find_duplicates
from keras_bigdata.integrity.report import Fault, Report, gone_shards
from keras_bigdata.progress import track
from keras_bigdata.shards.class_counts import count_in_shards
from keras_bigdata.shards.index import INDEX_NAME, UNFINISHED, WRITING, ShardIndex
from keras_bigdata.shards.scan import open_shards, pickle_names, temporary_names

Item = TypeVar("Item")
Result = TypeVar("Result")

# More do not make it faster: one alone sums 4 GB/s, and disks are slower.
_THREADS = 2


def verify(
    directory: str | os.PathLike[str],
    against: str | os.PathLike[str] | None = None,
    *,
    fields: Sequence[str] | None = None,
    trust: bool = False,
) -> Report:
    """Reads every shard whole and says what is wrong; nothing is changed.

    Of a packed set: the size and CRC-32 of each file, dtypes, shapes and byte offsets of its
    arrays against the index, files that are missing, pickles that the index does not name, and the
    rows of each class. Of
    bare pickles: whether each can be read, and whether they fit together; they have no checksums,
    so bytes that changed in place are not noticed. No pickle is executed.

    Args:
        directory: a directory of shards, with or without an index.
        against: another one. Rows that are in both are a fault: validation data among the training
            data, say. Rows are told by 128 bits of BLAKE2b over their bytes; memory is that of
            a few shards and some 250 MB, digests go to temporary files. Defaults to `None`.
        fields: names of the fields to compare rows by, and that bare pickles need to have. Defaults
            to `None`: inputs, targets and sample weights, or all fields of bare pickles.
        trust: load pickles that would have to run code. Only for files that you wrote
            yourself. Defaults to `False`.

    Returns:
        A `Report`: `report.ok`, and `report.faults`, each a `Fault` with the `file`, the `kind`,
        what was `expected` and `found`, and the `remedy`.

    Raises:
        ShardError: if there is no such directory, or nothing to check in it, or if the two cannot
            be compared.

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
    started = time.monotonic()
    folder = _directory(directory)
    report = Report(folder)
    index = _index(folder, report)
    if index is not None:
        good = _check_indexed(index, report, trust)
        _check_listing(index, report)
        _check_gone(index, report)
        if report.ok:
            _check_classes(index, report)
    else:
        _check_bare(folder, report, fields or (), trust)
        good = []
    for name in temporary_names(folder):
        report.notes.append(f"{folder / name}: left by a writer that was killed; may be deleted.")
    if against is not None:
        _compare(report, index, good, against=against, fields=fields, trust=trust)
    report.seconds = time.monotonic() - started
    return report


def packed_remedy(index: ShardIndex) -> str:
    """What is to be done about a shard of a packed set."""
    if index.provenance.get("source"):
        return (
            "Restore the file from a copy, or make it again from its source: keras_bigdata.repair("
            f"{str(index.directory)!r}, source=...), or `keras-bigdata pack` as it was packed, "
            f"with --repair. Or `keras-bigdata repair {index.directory}` goes on without it."
        )
    return (
        "Restore the file from a copy, or write the set again. Or `keras-bigdata repair "
        f"{index.directory}` goes on without it."
    )


def side_by_side(
    work: Callable[[Item], Result], items: Sequence[Item], description: str
) -> Iterator[Result]:
    """The results in order, made by threads, with progress."""
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            yield from track(pool.map(work, items), len(items), description)
        finally:
            pool.shutdown(cancel_futures=True)


def _directory(directory: str | os.PathLike[str]) -> Path:
    folder = Path(os.path.abspath(directory))
    if not folder.is_dir():
        raise ShardError(f"{folder}: there is no such directory. Check the path.")
    return folder


def _index(folder: Path, report: Report) -> ShardIndex | None:
    """The index, if there is one that can be read; what is wrong instead is noted."""
    path = folder / INDEX_NAME
    if path.exists():
        try:
            return ShardIndex.load(folder)
        except CorruptShardError as error:
            what = str(error).removeprefix(f"{path}: ").partition(". ")[0]
            remedy = (
                f"Restore it from a copy, or `keras-bigdata repair {folder}` makes one from the "
                "shards, and says what it cannot know."
            )
            report.faults.append(Fault(str(path), "index", "an index", what, remedy))
    elif (folder / UNFINISHED).exists():
        remedy = "Make the same call of `pack` again: it goes on from there."
        report.faults.append(
            Fault(str(folder), "unfinished", "a finished pack", "one that was stopped", remedy)
        )
    elif (folder / WRITING).exists():
        remedy = "Delete the directory and write it again."
        found = "a writer that was stopped or is at work"
        report.faults.append(Fault(str(folder), "unfinished", "a closed writer", found, remedy))
    return None


def _check_indexed(index: ShardIndex, report: Report, trust: bool) -> list[int]:
    """Adds what is wrong with the shards; gives the numbers of the others."""
    remedy = packed_remedy(index)
    good = []
    shards = range(len(index))
    results = side_by_side(
        lambda shard: check_content(index, shard, remedy, trust),
        shards,
        f"Verifying {index.directory}",
    )
    for shard, fault in zip(shards, results, strict=True):
        report.shards += 1
        if fault is None:
            good.append(shard)
            report.rows += int(index.samples[shard])
            report.nbytes += int(index.sizes[shard])
        else:
            report.faults.append(fault)
    return good


def _check_listing(index: ShardIndex, report: Report) -> None:
    counts = Counter(index.names)
    for name in pickle_names(index.directory):
        if name not in counts:
            remedy = f"It is not read. Move it out of {index.directory}."
            found = "a pickle that it does not name"
            report.faults.append(
                Fault(
                    str(index.directory / name), "extra", "only shards of the index", found, remedy
                )
            )
    for name in sorted(name for name, count in counts.items() if count > 1):
        _index_fault(index, report, "each shard once", f"{name} {counts[name]} times")


def _check_gone(index: ShardIndex, report: Report) -> None:
    try:
        gone = gone_shards(index)
    except CorruptShardError as error:
        _index_fault(index, report, "shards that were left out", str(error).partition(": ")[2])
        return
    if gone:
        rows = sum(info.samples for info in gone if not info.variant)
        report.notes.append(
            f"{len(gone)} shards ({rows} rows) were left out by an earlier repair: "
            f"{', '.join(info.name for info in gone[:5])}{', ...' if len(gone) > 5 else ''}."
        )


def _check_classes(index: ShardIndex, report: Report) -> None:
    if index.class_counts is None:
        return
    try:
        found = count_in_shards(index)
    except ShardError as error:
        _index_fault(index, report, "labels of its classes", str(error).rstrip("."))
        return
    if found != index.class_counts:
        _index_fault(
            index, report, f"class counts {_some(index.class_counts)}", _some(found or ["none"])
        )


def _index_fault(index: ShardIndex, report: Report, expected: str, found: str) -> None:
    path = str(index.directory / INDEX_NAME)
    report.faults.append(
        Fault(path, "index", expected, found.rstrip("."), "Restore the index from a copy.")
    )


def _some(values: Sequence[object]) -> str:
    return f"[{', '.join(map(str, values[:20]))}{', ...' if len(values) > 20 else ''}]"


def _check_bare(folder: Path, report: Report, fields: Sequence[str], trust: bool) -> None:
    names = pickle_names(folder)
    if not names:
        if report.faults:
            return
        raise ShardError(f"{folder}: there are no pickles and no index here. Check the path.")
    files = list(
        side_by_side(lambda name: BareFile(folder / name, trust), names, f"Verifying {folder}")
    )

    remedy = "Restore the file or write it again, or leave it out of the directory."
    faults, report.rows = check_bare(files, fields, remedy)
    report.faults += faults
    report.shards = len(files)
    report.nbytes = sum(one.nbytes for one in files)
    report.notes.append(
        "without an index there are no checksums: bytes that changed in place are not noticed."
    )


def _compare(
    report: Report,
    index: ShardIndex | None,
    good: Sequence[int],
    *,
    against: str | os.PathLike[str],
    fields: Sequence[str] | None,
    trust: bool,
) -> None:
    other_folder = _directory(against)
    if index is None:
        if report.faults:
            report.notes.append(f"not compared with {other_folder}: see the faults.")
            return
        index = open_shards(report.directory, used=fields or (), trust=trust)
        good = range(len(index))
    # Bare pickles have no roles to use.
    other = open_shards(other_folder, used=fields or (), trust=trust)
    if other.directory == index.directory:
        raise ShardError(f"{other_folder}: is the same directory. Name another one.")
    names = fields or index.roles.names or other.roles.names or tuple(index.fields)
    try:
        found = find_duplicates(index, other, names, (good, range(len(other))), trust)
    except CorruptShardError as error:
        report.faults.append(
            Fault(
                str(other_folder),
                "unreadable",
                "shards to compare with",
                str(error).rstrip("."),
                f"See `keras-bigdata verify {other_folder}`.",
            )
        )
        return
    if found.rows:
        file, row, twin, twin_row = found.pairs[0]
        remedy = (
            f"Rows were compared by {', '.join(names)}. Split again so that equal rows are on one "
            "side, or drop them."
        )
        report.faults.append(
            Fault(
                str(report.directory),
                "duplicates",
                f"no row that is in {other_folder}",
                f"{found.rows}, such as row {row} of {Path(file).name}, which is row {twin_row} of "
                f"{Path(twin).name}",
                remedy,
            )
        )
        report.duplicates = found.pairs
