"""Opens a set of shards: by its index, or by inspecting pickles that have no index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.files import temporary_target, walk_directory
from keras_bigdata.progress import Verbose, track
from keras_bigdata.shards.entries import Field, ShardInfo
from keras_bigdata.shards.index import (
    DECODED,
    INDEX_NAME,
    UNFINISHED,
    WRITING,
    ShardIndex,
)
from keras_bigdata.shards.pickles import StoredArray, find_arrays

SUFFIXES = (".pkl", ".pickle", ".pck", ".p", ".joblib")
# Each of these may follow one of `SUFFIXES`.
COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".lzma", ".lz4", ".z")

# Below this many files, starting worker processes (about a second) costs more than the inspection.
PROCESS_FILES = 4000


def open_shards(
    shards: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | ShardIndex,
    *,
    used: Sequence[str] = (),
    trust: bool = False,
    verbose: Verbose = "auto",
) -> ShardIndex:
    """Returns the index of a set of shards: the saved one, or a new one of scanned pickles.

    Args:
        shards: a directory with `index.json`; a directory of pickles, which is searched with its
            subdirectories, in the order of the paths; one pickle; or a list of pickles, whose
            order is kept.
        used: fields that every shard must have, with equal numbers of rows. Defaults to `()`: all
            fields that are the same in all shards.
        trust: whether to load pickles that cannot be read without running code. Use it only for
            files that you wrote yourself. Defaults to `False`.
        verbose: how progress is shown, as in `track`. Defaults to `"auto"`.

    Returns:
        A `ShardIndex`.

    Raises:
        ShardError: if there are no shards, or they do not agree with one another.
        CorruptShardError: if a file is missing or damaged.
        UnsafePickleError: if reading a file would run code.
    """
    if isinstance(shards, ShardIndex):
        return shards
    if not isinstance(shards, (str, os.PathLike)):
        if shards is None:
            raise TypeError("`shards` must be a directory or a list of files. Received: None")
        files = [Path(os.path.abspath(file)) for file in shards]
        if not files:
            raise ShardError("The list of shards is empty. Pass at least one pickle file.")
        names = [str(file) for file in files]
        index = _scan(Path(os.path.abspath(".")), names, used, trust, verbose=verbose)
        return _add_metadata(index, files)
    if not str(shards):
        raise ValueError("`shards` must be a directory or a list of files. Received: ''")
    path = Path(os.path.abspath(shards))
    if path.is_file():
        return open_shards([path], used=used, trust=trust, verbose=verbose)
    if not path.is_dir():
        raise ShardError(f"{path}: there is no such directory or file. Check the path.")
    if (path / INDEX_NAME).exists():
        return ShardIndex.load(path)
    return _scan(path, _find_pickles(path), used, trust, verbose=verbose)


def _find_pickles(directory: Path) -> list[str]:
    """Returns the names of the pickles below a directory that has no index.

    Raises:
        ShardError: if there are none, or the directory holds sets of shards or unfinished ones.
    """
    pickles: list[str] = []
    others: list[str] = []
    packed: list[str] = []
    for folder, folders, files in walk_directory(directory, error=ShardError):
        if INDEX_NAME in files:
            packed.append(folder)
        if UNFINISHED in folders:
            raise ShardError(
                f"{folder}: is not packed completely: `pack` was stopped. Make the same call "
                "again; it continues from there."
            )
        if WRITING in files:
            raise ShardError(
                f"{folder}: is not written completely: a ShardWriter was stopped before it was "
                "closed. Delete the directory and write it again."
            )
        for file in files:
            name = Path(folder, file).relative_to(directory).as_posix()
            (pickles if is_pickle(file) else others).append(name)
    if packed:
        raise ShardError(
            f"{directory}: has no {INDEX_NAME}, but holds sets of shards that have one: "
            f"{', '.join(sorted(packed)[:5])}. Pass one of them: reading all of them could mix "
            "training and validation data unnoticed."
        )
    if not pickles:
        raise ShardError(
            f"{directory}: holds no pickles ({', '.join(SUFFIXES)}). It holds "
            f"{', '.join(sorted(others)[:5]) or 'nothing'}. If your shards have other names, pass "
            "a list of files."
        )
    return sorted(pickles)


def pickle_names(directory: Path) -> list[str]:
    """Returns the names of the pickles below a directory, without those of sets below it."""
    return [name for name in _file_names(directory) if is_pickle(Path(name).name)]


def temporary_names(directory: Path) -> list[str]:
    """Returns the names of the temporary files that killed writers left in a directory."""
    return [name for name in _file_names(directory) if temporary_target(Path(name).name)]


def _file_names(directory: Path) -> list[str]:
    names = []
    for folder, folders, files in walk_directory(directory, error=ShardError):
        if folder != str(directory) and INDEX_NAME in files:
            folders.clear()
            continue
        names += [Path(folder, name).relative_to(directory).as_posix() for name in files]
    return sorted(names)


def is_pickle(file: str) -> bool:
    """Returns whether a file name is that of a pickle, compressed or not."""
    name = file.lower()
    ending = next((suffix for suffix in COMPRESSED_SUFFIXES if name.endswith(suffix)), "")
    return name.removesuffix(ending).endswith(SUFFIXES) and not file.startswith(".")


def _add_metadata(index: ShardIndex, files: list[Path]) -> ShardIndex:
    """Adds roles, classes and vocabulary if all files belong to one packed directory."""
    directories = {file.parent for file in files}
    if len(directories) == 1 and (directories.copy().pop() / INDEX_NAME).exists():
        try:
            packed = ShardIndex.load(directories.pop())
        except ShardError:  # the user passed files and did not refer to this index
            return index
        if {file.name for file in files} <= set(packed.names) and packed.variants == 1:
            index.roles, index.classes, index.vocabulary = (
                packed.roles,
                packed.classes,
                packed.vocabulary,
            )
    return index


@dataclass(frozen=True, slots=True)
class Layout:
    """The arrays in one pickle.

    Args:
        nbytes: size of the file.
        mtime_ns: its modification time.
        arrays: name -> `(dtype, shape, offset)`; the offset is -1 if the array has to be decoded.
        skipped_fields: name -> why it cannot become an array.
    """

    nbytes: int
    mtime_ns: int
    arrays: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]]
    skipped_fields: dict[str, str]


def read_layout(path: str | os.PathLike[str], trust: bool = False) -> Layout:
    """Finds dtype, shape and offset of each array in a pickle.

    Args:
        path: the pickle.
        trust: as in `open_shards`. Defaults to `False`.

    Raises:
        ShardError: as `find_arrays`.
    """
    try:
        stat = os.stat(path)
    except OSError as error:
        raise CorruptShardError(f"{path}: cannot be opened ({error.strerror}).") from error
    contents = find_arrays(path, trust=trust)
    arrays = {}
    for name, array in contents.fields.items():
        native = array.dtype.newbyteorder("=")
        raw = (
            isinstance(array, StoredArray)
            and array.dtype == native
            and (array.order == "C" or len(array.shape) == 1)
            and not contents.compressed
        )
        arrays[name] = (native, tuple(array.shape), array.offset if raw else DECODED)  # type: ignore[union-attr]
    return Layout(stat.st_size, stat.st_mtime_ns, arrays, contents.skipped_fields)


def _scan(
    directory: Path,
    names: list[str],
    used: Sequence[str],
    trust: bool,
    *,
    verbose: Verbose,
) -> ShardIndex:
    layouts = list(_read_layouts([str(directory / name) for name in names], trust, verbose))
    skipped: dict[str, str] = {}
    candidates = list(dict.fromkeys(used or (name for one in layouts for name in one.arrays)))
    reference = None if used else _largest_field(layouts[0])
    fields: dict[str, Field] = {}
    for name in candidates:
        mismatch = _find_mismatch(name, names, layouts, reference)
        if mismatch is None:
            dtype, shape, _ = layouts[0].arrays[name]
            fields[name] = Field(name, dtype, shape[1:])
            reference = reference or name
        elif used:
            raise ShardError(f"{directory / mismatch[0]}: {mismatch[1]}")
        else:
            skipped[name] = f"{mismatch[0]}: {mismatch[1]}"
    if not fields:
        reasons = layouts[0].skipped_fields | skipped
        raise ShardError(
            f"{directory / names[0]}: the pickle holds no arrays that could be fields."
            + "".join(f" {name!r}: {reason}." for name, reason in reasons.items())
            + " If it is not a shard, move it, or pass a list of the shards."
        )
    assert reference is not None
    infos = (
        ShardInfo(
            name=name,
            samples=one.arrays[reference][1][0],
            bytes=one.nbytes,
            offsets={field: one.arrays[field][2] for field in fields},
        )
        for name, one in zip(names, layouts, strict=True)
    )
    return ShardIndex.from_shards(
        directory,
        fields,
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


def _largest_field(layout: Layout) -> str | None:
    """Returns the field with the most bytes, which defines the number of rows of a shard."""
    arrays = {name: entry for name, entry in layout.arrays.items() if entry[1]}
    return max(
        arrays,
        key=lambda name: arrays[name][0].itemsize * int(np.prod(arrays[name][1], dtype=np.float64)),
        default=None,
    )


def _find_mismatch(
    name: str, names: list[str], layouts: list[Layout], reference: str | None
) -> tuple[str, str] | None:
    """Returns why a field cannot be used, as `(file, reason)`; `None` if it can.

    Args:
        name: the field.
        names, layouts: the files and their arrays.
        reference: the field that defines the number of rows, if there is one yet.
    """
    first = layouts[0].arrays.get(name)
    for file, layout in zip(names, layouts, strict=True):
        array = layout.arrays.get(name)
        if array is None or first is None:
            missing, lacking = (file, layout) if array is None else (names[0], layouts[0])
            reason = lacking.skipped_fields.get(name)
            return missing, f"there is no array {name!r}" + (
                f" ({reason})."
                if reason
                else f". The arrays in it: {_format_arrays(lacking.arrays)}."
            )
        if not array[1]:
            return file, f"{name!r} is a single value, not an array of rows."
        if array[0] != first[0] or array[1][1:] != first[1][1:]:
            return file, (
                f"{name!r} has dtype {array[0]} and row shape {array[1][1:]}, but {first[0]} and "
                f"{first[1][1:]} in {names[0]}. Write the shards again so that they agree."
            )
        if reference is not None and array[1][0] != layout.arrays[reference][1][0]:
            return file, (
                f"the arrays differ in length: {name!r} has {array[1][0]} rows, {reference!r} has "
                f"{layout.arrays[reference][1][0]}. Write the shard again with one row per sample "
                "in each."
            )
    return None


def _format_arrays(arrays: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]]) -> str:
    return (
        ", ".join(f"{name!r} {dtype} {shape}" for name, (dtype, shape, _) in arrays.items())
        or "none"
    )
