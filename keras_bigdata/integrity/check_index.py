"""Checks an index as a whole: the names of its shards, and how many rows each class has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.integrity.report import Fault, Report
from keras_bigdata.integrity.set_files import SetFiles
from keras_bigdata.progress import Verbose
from keras_bigdata.representation import format_count, list_some
from keras_bigdata.shards.index.shard_index import INDEX_NAME, ShardIndex
from keras_bigdata.shards.index.shard_names import shard_number
from keras_bigdata.shards.opening.removed_shards import removed_shards
from keras_bigdata.shards.reading.class_counts import count_in_shards


def load_index(files: SetFiles, report: Report) -> ShardIndex | None:
    """Returns the index if it can be read; otherwise reports the fault, if there is one."""
    folder = files.directory
    path = folder / INDEX_NAME
    if files.has_index():
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
    unfinished = files.unfinished()
    if unfinished is not None:
        found = f"{unfinished.writer} that was stopped, or is still running"
        report.faults.append(
            Fault(str(folder), "unfinished", "a complete set", found, unfinished.remedy)
        )
    return None


def shard_remedy(index: ShardIndex) -> str:
    """Returns the remedy for a damaged shard of a set with an index."""
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


def check_names(index: ShardIndex, files: SetFiles, report: Report) -> None:
    """Reports pickles that the index does not name, and names that occur twice in it."""
    counts = Counter(index.names)
    if not files.is_listed:
        report.notes.append(
            "a web server has no listing of its files: pickles that the index does not name are "
            "not found."
        )
    extra = [name for name in files.pickles() if name not in counts]
    if files.unfinished() is not None:
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


def check_removed(index: ShardIndex, report: Report) -> None:
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


def check_class_counts(index: ShardIndex, report: Report, verbose: Verbose) -> None:
    """Counts the rows of each class again, and reports a difference."""
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
