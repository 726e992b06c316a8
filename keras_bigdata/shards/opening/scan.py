"""Opens a set of shards: by its index, or by inspecting pickles that have no index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.progress import Verbose, track
from keras_bigdata.shards.fields.entries import TEXT_CODEC, Field, ShardInfo
from keras_bigdata.shards.fields.roles import Structure
from keras_bigdata.shards.index.shard_index import INDEX_NAME, ShardIndex
from keras_bigdata.shards.opening.found_fields import FoundField, find_field
from keras_bigdata.shards.opening.join import join_indexes
from keras_bigdata.shards.opening.layout import Layout, read_layout
from keras_bigdata.shards.opening.one_set import Reading, checked_layout, find_second_reading
from keras_bigdata.shards.opening.pickle_files import (
    find_pickles,
    has_index,
    is_pickle,
    missing_path_error,
)
from keras_bigdata.shards.reading.different_classes import different_classes
from keras_bigdata.storage.paths.place import absolute_place
from keras_bigdata.storage.paths.remote_path import RemotePath

# Below this many files, starting worker processes (about a second) costs more than the inspection.
PROCESS_FILES = 4000

# Fields whose reason a message has.
_LISTED_REASONS = 10


def open_shards(
    shards: str | os.PathLike[str] | RemotePath | Iterable[str | os.PathLike[str]] | ShardIndex,
    *,
    storage_options: Mapping[str, Any] | None = None,
    used: Sequence[str] = (),
    layout: Reading = None,
    trust: bool = False,
    verbose: Verbose = "auto",
) -> ShardIndex:
    """Returns the index of a set of shards: the saved one, or a new one of scanned pickles.

    Args:
        shards: a directory with `index.json`; a directory of pickles, which is searched with its
            subdirectories, in natural order (1, 2, 10); one pickle; a list of pickles, whose order
            is kept; or a list of directories, which are joined to one set. A URL must name a
            directory with `index.json`.
        storage_options: options of the fsspec drivers of URLs. Defaults to `None`.
        used: fields that every shard must have, with equal numbers of rows. Defaults to `()`: all
            fields that are the same in all shards.
        layout: how pickles without an index are read. `"columns"`: the rows of all files are one
            set, and every array has one entry per row. `None`: the same, but files that may mean
            something else are refused, with both readings: a list of samples, one sample per file,
            files that each hold another field, training and test data. Defaults to `None`.
        trust: whether to load pickles that cannot be read without running code. Use it only for
            files that you wrote yourself. Defaults to `False`.
        verbose: how progress is shown, as in `track`. Defaults to `"auto"`.

    Returns:
        A `ShardIndex`.

    Raises:
        ShardError: if there are no shards, if they do not agree with one another, or if they can
            be read in two ways.
        CorruptShardError: if a file is missing or damaged.
        UnsafePickleError: if reading a file would run code.
    """
    layout = checked_layout(layout)
    if isinstance(shards, ShardIndex):
        return shards
    if isinstance(shards, RemotePath):
        return _load_remote(shards)
    if not isinstance(shards, (str, os.PathLike)):
        if shards is None:
            raise TypeError("`shards` must be a directory or a list of files. Received: None")
        places = [absolute_place(file, "shards", storage_options) for file in shards]
        files = [place for place in places if isinstance(place, Path)]
        if not places:
            raise ShardError("The list of shards is empty. Pass at least one pickle file.")
        if len(files) < len(places) or any(map(os.path.isdir, files)):
            _check_directories(files)
            options: Any = {"used": used, "layout": layout, "trust": trust, "verbose": verbose}
            return join_indexes(
                [
                    _load_remote(place)
                    if isinstance(place, RemotePath)
                    else open_shards(place, **options)
                    for place in places
                ]
            )
        names = [str(file) for file in files]
        cwd = Path(os.path.abspath("."))
        packed = _packed_sets(files)
        index = scan_pickles(
            cwd,
            names,
            used=used,
            layout=layout,
            trust=trust,
            listed=True,
            known=_known_fields(packed, files),
            verbose=verbose,
        )
        if layout is None:
            _check_classes(packed, used)
        return _add_metadata(index, files, packed)
    if not str(shards):
        raise ValueError("`shards` must be a directory or a list of files. Received: ''")
    path = absolute_place(shards, "shards", storage_options)
    if isinstance(path, RemotePath):
        return _load_remote(path)
    if os.path.isfile(path):
        return open_shards([path], used=used, layout=layout, trust=trust, verbose=verbose)
    if not os.path.isdir(path):
        raise missing_path_error(path, "directory or file")
    if has_index(path):
        return ShardIndex.load(path)
    names = find_pickles(path)
    return scan_pickles(
        path, names, used=used, layout=layout, trust=trust, listed=False, verbose=verbose
    )


def _load_remote(place: RemotePath) -> ShardIndex:
    """Returns the index of a URL.

    Raises:
        ShardError: if there is none.
    """
    try:
        return ShardIndex.load(place)
    except CorruptShardError as error:
        if is_pickle(place.name):
            raise CorruptShardError(
                f"{place}: has the name of a pickle, and a URL must name a directory with an index "
                f"({place / INDEX_NAME} is read). Pass {place.parent}, and select rows of it with "
                "`where` or `rows`."
            ) from error
        raise


def _check_directories(paths: list[Path]) -> None:
    """Checks that a list of directories has no files in it."""
    files = [path for path in paths if not os.path.isdir(path)]
    if not files:
        return
    if not os.path.exists(files[0]):
        raise missing_path_error(files[0], "directory or file")
    folder: Path | str = next((path for path in paths if os.path.isdir(path)), "of a URL")
    raise ShardError(
        "The list of shards holds directories and files: it could mean one set of some "
        "directories, or of some files. Pass only directories, which are joined, or only files. "
        f"Received: the directory {folder} and the file {files[0]}"
    )


def _packed_sets(files: list[Path]) -> list[ShardIndex]:
    """Returns the indexes of the packed sets that the files belong to."""
    names: dict[Path, set[str]] = {}
    for file in files:
        names.setdefault(file.parent, set()).add(file.name)
    found = []
    for directory, some in names.items():
        try:
            packed = ShardIndex.load(directory) if has_index(directory) else None
        except ShardError:  # the user passed files and did not refer to this index
            continue
        if packed is not None and some <= set(packed.names):
            found.append(packed)
    return found


def _known_fields(packed: list[ShardIndex], files: list[Path]) -> dict[str, Field]:
    """Returns how rows of varying size are stored, if the indexes of all files agree in it."""
    if not packed or {file.parent for file in files} != {index.directory for index in packed}:
        return {}
    return {
        name: field
        for name, field in _fields_and_columns(packed[0]).items()
        if field.is_varlen and all(_fields_and_columns(each).get(name) == field for each in packed)
    }


def _fields_and_columns(index: ShardIndex) -> dict[str, Field]:
    return {**index.fields, **index.columns}


def _check_classes(packed: list[ShardIndex], used: Sequence[str]) -> None:
    """Checks that sets that are read as one number their classes and words in the same way."""
    targets: Structure | None = {name: name for name in used} or None
    distinct: list[ShardIndex] = []
    for index in packed:
        if any(_metadata(index) == _metadata(other) for other in distinct):
            continue
        for other in distinct:
            difference = different_classes(other, index, targets, targets)
            if difference is not None:
                raise ShardError(
                    f"{index.directory}: {difference}. Read as one set, these numbers would be "
                    "mixed. Pack one of the sets again with classes= and vocabulary=, each the "
                    "ShardIndex of the other; or, if only other fields are used, pass "
                    "layout='columns'."
                )
        distinct.append(index)


def _metadata(index: ShardIndex) -> tuple[Any, ...]:
    return index.roles, index.classes, index.vocabulary


def _add_metadata(index: ShardIndex, files: list[Path], packed: list[ShardIndex]) -> ShardIndex:
    """Adds roles, classes and vocabulary if all files belong to one packed directory."""
    is_one_set = len(packed) == 1 and len({file.parent for file in files}) == 1
    if is_one_set and packed[0].variants == 1:
        index.roles, index.classes, index.vocabulary = _metadata(packed[0])
    return index


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
            them. Columns of texts are no fields. Defaults to `{}`.

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
        n_jobs=os.cpu_count() or 1,
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
        column: what can be the field in each of them, or why nothing can.
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
