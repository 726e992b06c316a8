"""Creates the index of pickles that have none, from the layouts of all files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from keras_bigdata.errors import ShardError
from keras_bigdata.machine_limits import usable_cores
from keras_bigdata.progress import Verbose, track
from keras_bigdata.shards.fields.entries import TEXT_CODEC, Field, ShardInfo
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.opening.found_fields import FoundField, find_field
from keras_bigdata.shards.opening.layout import Layout, read_layout
from keras_bigdata.shards.opening.one_set import Reading, find_second_reading

# Below this many files, starting worker processes (about a second) costs more than the inspection.
PROCESS_FILES = 4000

# Fields whose reason a message has.
_LISTED_REASONS = 10


def scan_pickles(
    directory: Path,
    names: Sequence[str],
    *,
    used: Sequence[str],
    layout: Reading,
    trust: bool = False,
    listed: bool,
    known: Mapping[str, Field] = MappingProxyType({}),
    verbose: Verbose = "auto",
) -> ShardIndex:
    """Creates an index of pickles that have none.

    Args:
        directory: directory that the names are relative to.
        names: the files.
        used, layout, trust, verbose: as in `open_shards`.
        listed: whether the user has listed the files, and not only named the directory.
        known: fields and columns of varying row size, as an index of the same files describes
            them. Columns of texts are not fields. Defaults to `{}`.

    Raises:
        ShardError: as `open_shards`.
    """
    layouts = list(_read_layouts([str(directory / name) for name in names], trust, verbose))
    if layout is None:
        second_reading = find_second_reading(directory, names, layouts, used=used, listed=listed)
        if second_reading is not None:
            raise ShardError(": ".join(second_reading))
    skipped: dict[str, str] = {}
    candidates = used or [name for one in layouts for name in (*one.arrays, *one.varlen)]
    texts = {name for name, field in known.items() if field.codec == TEXT_CODEC}
    columns = {
        name: [find_field(one, name, known.get(name)) for one in layouts]
        for name in dict.fromkeys(candidates)
        if name not in texts
    }
    largest = None if used else _largest_field(columns)
    # The field that defines the number of rows of each file.
    reference: list[FoundField | None] = [None] * len(names)
    if largest is not None:
        reference = [each if isinstance(each, FoundField) else None for each in columns[largest]]
    fields: dict[str, list[FoundField]] = {}
    for name, column in columns.items():
        mismatch = _find_mismatch(name, names, column, reference)
        if mismatch is None:
            fields[name] = [each for each in column if isinstance(each, FoundField)]
            reference = [each or own for each, own in zip(reference, fields[name], strict=True)]
        elif used:
            raise ShardError(f"{directory / mismatch[0]}: {mismatch[1]}")
        else:
            skipped[name] = f"{mismatch[0]}: {mismatch[1]}"
    if not fields:
        reasons = layouts[0].skipped_fields | skipped
        listing = [f"{name[:100]!r}: {reason[:500]}" for name, reason in reasons.items()]
        raise ShardError(
            f"{directory / names[0]}: the pickle holds no arrays that could be fields. "
            + "".join(f"{entry.rstrip('.')}. " for entry in listing[:_LISTED_REASONS])
            + "If it is not a shard, move it, or pass a list of the shards."
        )
    infos = (
        ShardInfo(
            name=name,
            samples=rows.rows if rows is not None else 0,
            bytes=one.nbytes,
            offsets={field: found[number].offset for field, found in fields.items()},
            row_offsets={
                field: found[number].row_offset  # type: ignore[misc]
                for field, found in fields.items()
                if found[number].row_offset is not None
            },
        )
        for number, (name, one, rows) in enumerate(zip(names, layouts, reference, strict=True))
    )
    return ShardIndex.from_shards(
        directory,
        {name: found[0].field for name, found in fields.items()},
        infos,
        mtimes_ns=np.array([one.mtime_ns for one in layouts], np.int64),
        skipped_fields=skipped | layouts[0].skipped_fields,
        provenance={"by": "scan"},
    )


def _read_layouts(paths: list[str], trust: bool, verbose: Verbose) -> Iterable[Layout]:
    if len(paths) == 1:
        return [read_layout(paths[0], trust)]
    from joblib import Parallel, delayed

    parallel = Parallel(
        n_jobs=usable_cores(),
        prefer="processes" if len(paths) > PROCESS_FILES else "threads",
        batch_size=64 if len(paths) > PROCESS_FILES else 1,
        return_as="generator",
    )
    layouts = parallel(delayed(read_layout)(path, trust) for path in paths)
    return track(layouts, len(paths), "Scanning shards", verbose=verbose)


def _largest_field(columns: Mapping[str, Sequence[FoundField | str]]) -> str | None:
    """Returns the field with the most bytes, which defines the number of rows of a shard."""
    sizes = {name: each[0].nbytes for name, each in columns.items() if not isinstance(each[0], str)}
    return max(sizes, key=sizes.__getitem__, default=None)


def _find_mismatch(
    name: str,
    names: Sequence[str],
    column: Sequence[FoundField | str],
    reference: Sequence[FoundField | None],
) -> tuple[str, str] | None:
    """Returns why a field cannot be used, as `(file, reason)`; `None` if it can.

    Args:
        name: the field.
        names: the files.
        column: the field in each of them, or the reason why there is none.
        reference: the field that defines the number of rows of each of them, if there is one yet.
    """
    first = column[0]
    if isinstance(first, str):
        return names[0], first
    for number, (file, found) in enumerate(zip(names, column, strict=True)):
        if isinstance(found, str):
            return file, found
        field = found.field
        if field != first.field:
            return file, (
                f"{name!r} has dtype {field.dtype} and row shape {field.shape}, but "
                f"{first.field.dtype} and {first.field.shape} in {names[0]}. Write the shards "
                "again so that they agree."
            )
        other = reference[number]
        if other is not None and found.rows != other.rows:
            return file, (
                f"the arrays differ in length: {name!r} has {found.rows} rows, "
                f"{other.field.name!r} has {other.rows}. Write the shard again with one row per "
                "sample in each."
            )
    return None
