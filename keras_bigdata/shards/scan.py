"""Opening shards: by their index, or by walking bare pickles that somebody's own code wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.files import TEMPORARY_PREFIX, walk_directory
from keras_bigdata.progress import track
from keras_bigdata.shards.index import (
    DECODED,
    INDEX_NAME,
    UNFINISHED,
    WRITING,
    Field,
    ShardIndex,
    ShardInfo,
)
from keras_bigdata.shards.pickles import StoredArray, walk

SUFFIXES = (".pkl", ".pickle", ".pck", ".p", ".joblib")
# Any of these may have one of those behind it.
COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".lzma", ".lz4", ".z")

# Below this many files, starting worker processes (about a second) costs more than walking.
PROCESS_FILES = 4000


def open_shards(
    shards: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | ShardIndex,
    *,
    used: Sequence[str] = (),
    trust: bool = False,
) -> ShardIndex:
    """Gives the index of a set of shards: the saved one, or one made by scanning.

    Args:
        shards: a directory with `index.json`, a directory of pickles (searched with its
            subdirectories, taken in order of their paths), one pickle, or a list of
            pickles, taken in the order given.
        used: fields that have to be there in every shard, with equal rows; all that
            fit are taken if it is empty. Defaults to `()`.
        trust: load pickles that cannot be read without running them. Only for
            files you wrote yourself. Defaults to `False`.

    Returns:
        A `ShardIndex`.

    Raises:
        ShardError: if there are no shards, or they do not fit together.
        CorruptShardError: if a file is missing or damaged.
        UnsafePickleError: if a file would have to run code.
    """
    if isinstance(shards, ShardIndex):
        return shards
    if not isinstance(shards, (str, os.PathLike)):
        if shards is None:
            raise TypeError("`shards` must be a directory or a list of files. Received: None")
        files = [Path(os.path.abspath(file)) for file in shards]
        if not files:
            raise ShardError("The list of shards is empty. Pass at least one pickle file.")
        index = _scan(Path(os.path.abspath(".")), [str(file) for file in files], used, trust)
        return _with_roles_of(index, files)
    if not str(shards):
        raise ValueError("`shards` must be a directory or a list of files. Received: ''")
    path = Path(os.path.abspath(shards))
    if path.is_file():
        return open_shards([path], used=used, trust=trust)
    if not path.is_dir():
        raise ShardError(f"{path}: there is no such directory or file. Check the path.")
    if (path / INDEX_NAME).exists():
        return ShardIndex.load(path)
    return _scan(path, _find(path), used, trust)


def _find(directory: Path) -> list[str]:
    """Names of the pickles below a directory that has no index."""
    found: list[str] = []
    others: list[str] = []
    packed: list[str] = []
    for folder, folders, files in walk_directory(directory, error=ShardError):
        if INDEX_NAME in files:
            packed.append(folder)
        if UNFINISHED in folders:
            raise ShardError(
                f"{folder}: is not packed whole: `pack` was stopped. Make the same call again, it "
                "goes on from there."
            )
        if WRITING in files:
            raise ShardError(
                f"{folder}: is not written whole: a ShardWriter was stopped before it was closed. "
                "Delete the directory and write it again."
            )
        for file in files:
            name = Path(folder, file).relative_to(directory).as_posix()
            (found if is_pickle(file) else others).append(name)
    if packed:
        raise ShardError(
            f"{directory}: has no {INDEX_NAME} of its own but holds sets of shards that have one: "
            f"{', '.join(sorted(packed)[:5])}. Name one of them (mixing, say, training and "
            "validation data would go unnoticed)."
        )
    if not found:
        raise ShardError(
            f"{directory}: there are no pickles here ({', '.join(SUFFIXES)}). It holds "
            f"{', '.join(sorted(others)[:5]) or 'nothing'}. If your shards have other names, pass "
            "a list of files."
        )
    return sorted(found)


def pickle_names(directory: Path) -> list[str]:
    """Returns the names of the pickles below a directory, without those of sets of their own."""
    return [name for name in _names_below(directory) if is_pickle(Path(name).name)]


def temporary_names(directory: Path) -> list[str]:
    """Returns the names of temporary files that killed writers have left below a directory."""
    return [
        name for name in _names_below(directory) if Path(name).name.startswith(TEMPORARY_PREFIX)
    ]


def _names_below(directory: Path) -> list[str]:
    found = []
    for folder, folders, files in walk_directory(directory, error=ShardError):
        if folder != str(directory) and INDEX_NAME in files:
            folders.clear()
            continue
        found += [Path(folder, name).relative_to(directory).as_posix() for name in files]
    return sorted(found)


def is_pickle(file: str) -> bool:
    """Whether a file is taken for a pickle, by its name."""
    name = file.lower()
    ending = next((suffix for suffix in COMPRESSED_SUFFIXES if name.endswith(suffix)), "")
    return name.removesuffix(ending).endswith(SUFFIXES) and not file.startswith(".")


def _with_roles_of(index: ShardIndex, files: list[Path]) -> ShardIndex:
    """A list of files out of one packed directory keeps what its index knows."""
    parents = {file.parent for file in files}
    if len(parents) == 1 and (parents.copy().pop() / INDEX_NAME).exists():
        try:
            whole = ShardIndex.load(parents.pop())
        except ShardError:  # whatever it is, nobody asked for it
            return index
        if {file.name for file in files} <= set(whole.names) and whole.variants == 1:
            index.roles, index.classes, index.vocabulary = (
                whole.roles,
                whole.classes,
                whole.vocabulary,
            )
    return index


@dataclass(frozen=True, slots=True)
class _Layout:
    """What one pickle holds."""

    bytes: int
    stamp: int
    arrays: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]]  # dtype, shape, offset
    left_out: dict[str, str]


def layout(path: str | os.PathLike[str], trust: bool = False) -> _Layout:
    """Walks one pickle: dtype, shape and offset of each array in it."""
    try:
        stat = os.stat(path)
    except OSError as error:
        raise CorruptShardError(f"{path}: cannot be opened ({error.strerror}).") from error
    contents = walk(path, trust=trust)
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
    return _Layout(stat.st_size, stat.st_mtime_ns, arrays, contents.left_out)


def _scan(directory: Path, names: list[str], used: Sequence[str], trust: bool) -> ShardIndex:
    layouts = list(_layouts([str(directory / name) for name in names], trust))
    left_out: dict[str, str] = {}
    candidates = list(dict.fromkeys(used or (name for one in layouts for name in one.arrays)))
    leader = None if used else _leader(layouts[0])
    fields: dict[str, Field] = {}
    for name in candidates:
        reason = _misfit(name, names, layouts, leader)
        if reason is None:
            dtype, shape, _ = layouts[0].arrays[name]
            fields[name] = Field(name, dtype, shape[1:])
            leader = leader or name
        elif used:
            raise ShardError(f"{directory / reason[0]}: {reason[1]}")
        else:
            left_out[name] = f"{reason[0]}: {reason[1]}"
    if not fields:
        raise ShardError(
            f"{directory / names[0]}: the pickle holds no arrays that could be fields."
            + "".join(
                f" {name!r}: {why}." for name, why in (layouts[0].left_out | left_out).items()
            )
            + " If it is no shard, move it, or pass a list of the shards."
        )
    assert leader is not None
    infos = (
        ShardInfo(
            name=name,
            samples=one.arrays[leader][1][0],
            bytes=one.bytes,
            offsets={field: one.arrays[field][2] for field in fields},
        )
        for name, one in zip(names, layouts, strict=True)
    )
    return ShardIndex.from_shards(
        directory,
        fields,
        infos,
        mtimes_ns=np.array([one.stamp for one in layouts], np.int64),
        skipped_fields=left_out | layouts[0].left_out,
        provenance={"by": "scan"},
    )


def _layouts(paths: list[str], trust: bool) -> Iterable[_Layout]:
    if len(paths) == 1:
        return [layout(paths[0], trust)]
    from joblib import Parallel, delayed

    parallel = Parallel(
        n_jobs=os.cpu_count() or 1,
        prefer="processes" if len(paths) > PROCESS_FILES else "threads",
        batch_size=64 if len(paths) > PROCESS_FILES else 1,
        return_as="generator",
    )
    return track(
        parallel(delayed(layout)(path, trust) for path in paths), len(paths), "Scanning shards"
    )


def _leader(one: _Layout) -> str | None:
    """The field that tells how many rows a shard has: the one with the most bytes."""
    arrays = {name: entry for name, entry in one.arrays.items() if entry[1]}
    return max(
        arrays,
        key=lambda name: arrays[name][0].itemsize * int(np.prod(arrays[name][1], dtype=np.float64)),
        default=None,
    )


def _misfit(
    name: str, names: list[str], layouts: list[_Layout], leader: str | None
) -> tuple[str, str] | None:
    """Why a field cannot be used, as (file, reason); None if it can."""
    first = layouts[0].arrays.get(name)
    for file, one in zip(names, layouts, strict=True):
        found = one.arrays.get(name)
        if found is None or first is None:
            missing = file if found is None else names[0]
            why = (one if found is None else layouts[0]).left_out.get(name)
            fields = (one if found is None else layouts[0]).arrays
            return missing, f"there is no array {name!r}" + (
                f" ({why})." if why else f". The arrays in it: {_listing(fields)}."
            )
        if not found[1]:
            return file, f"{name!r} is a single value, not an array of rows."
        if found[0] != first[0] or found[1][1:] != first[1][1:]:
            return file, (
                f"{name!r} has dtype {found[0]} and row shape {found[1][1:]}, but {first[0]} and "
                f"{first[1][1:]} in {names[0]}. All shards must agree: write them again alike."
            )
        if leader is not None and found[1][0] != one.arrays[leader][1][0]:
            return file, (
                f"the arrays differ in length: {name!r} has {found[1][0]} rows, {leader!r} has "
                f"{one.arrays[leader][1][0]}. Write the shard again with one row a sample in each."
            )
    return None


def _listing(arrays: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]]) -> str:
    return (
        ", ".join(f"{name!r} {dtype} {shape}" for name, (dtype, shape, _) in arrays.items())
        or "none"
    )
