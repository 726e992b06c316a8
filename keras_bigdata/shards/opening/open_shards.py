"""Opens a set of shards: by its index, or by scanning pickles that have none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.progress import Verbose
from keras_bigdata.shards.fields.entries import Field
from keras_bigdata.shards.fields.roles import Structure
from keras_bigdata.shards.index.shard_index import INDEX_NAME, ShardIndex
from keras_bigdata.shards.opening.join import join_indexes
from keras_bigdata.shards.opening.one_set import Reading, checked_layout
from keras_bigdata.shards.opening.pickle_files import (
    find_pickles,
    has_index,
    is_pickle,
    missing_path_error,
)
from keras_bigdata.shards.opening.scan import scan_pickles
from keras_bigdata.shards.reading.different_classes import different_classes
from keras_bigdata.storage.paths.place import absolute_place
from keras_bigdata.storage.paths.remote_path import RemotePath


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
