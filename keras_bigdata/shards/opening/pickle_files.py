"""Finds the index of a directory, or its pickles by the ends of their names, in natural order."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from keras_bigdata.errors import ShardError
from keras_bigdata.files import natural_key, temporary_target, walk_directory
from keras_bigdata.shards.index.shard_index import INDEX_NAME
from keras_bigdata.shards.index.unfinished import find_unfinished, unfinished_error

SUFFIXES = (".pkl", ".pickle", ".pck", ".p", ".joblib")
# Each of these may follow one of `SUFFIXES`.
COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".lzma", ".lz4", ".z")


def has_index(directory: Path) -> bool:
    """Returns whether a directory has an index.

    Raises:
        ShardError: if the directory may not be entered.
    """
    try:
        os.stat(directory / INDEX_NAME)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        raise ShardError(f"{directory}: cannot be entered ({error.strerror}).") from error
    return True


def missing_path_error(path: Path, expected: str) -> ShardError:
    """Returns the error for a path that is not a directory, or cannot be reached."""
    try:
        os.stat(path)
    except PermissionError as error:
        return ShardError(f"{path}: cannot be reached ({error.strerror}).")
    except (OSError, ValueError):
        pass
    return ShardError(f"{path}: there is no such {expected}. Check the path.")


def find_pickles(directory: Path) -> list[str]:
    """Returns the names of the pickles below a directory that has no index, in natural order.

    Raises:
        ShardError: if there are none, or the directory holds sets of shards or unfinished ones.
    """
    pickles: list[str] = []
    others: list[str] = []
    packed: list[str] = []
    for folder, folders, files in walk_directory(directory, error=ShardError):
        if INDEX_NAME in files:
            packed.append(folder)
        unfinished = find_unfinished([*folders, *files])
        if unfinished is not None:
            raise unfinished_error(folder, unfinished)
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
    return sorted(pickles, key=natural_key)


def pickle_names(directory: Path) -> list[str]:
    """Returns the names of the pickles below a directory, without those of sets below it."""
    return pickles_among(_file_names(directory))


def pickles_among(names: Iterable[str]) -> list[str]:
    """Returns those of some names of files that are names of pickles."""
    return [name for name in names if is_pickle(Path(name).name)]


def temporary_names(directory: Path) -> list[str]:
    """Returns the names of the temporary files that killed writers left in a directory."""
    return temporary_among(_file_names(directory))


def temporary_among(names: Iterable[str]) -> list[str]:
    """Returns those of some names of files that are names of temporary files."""
    return [name for name in names if temporary_target(Path(name).name)]


def names_among(listed: Iterable[str]) -> list[str]:
    """Returns the files of a set in the listing of a store, without those of sets below it.

    Args:
        listed: the names of all files below the directory of the set, relative to it.

    Returns:
        The names in natural order, without those in hidden folders.
    """
    parts = {name: name.split("/") for name in listed}
    sets = {tuple(each[:-1]) for each in parts.values() if len(each) > 1 and each[-1] == INDEX_NAME}
    return sorted(
        (
            name
            for name, each in parts.items()
            if not any(folder.startswith(".") for folder in each[:-1])
            and not any(tuple(each[:depth]) in sets for depth in range(1, len(each)))
        ),
        key=natural_key,
    )


def _file_names(directory: Path) -> list[str]:
    names = []
    for folder, folders, files in walk_directory(directory, error=ShardError):
        if folder != str(directory) and INDEX_NAME in files:
            folders.clear()
            continue
        names += [Path(folder, name).relative_to(directory).as_posix() for name in files]
    return sorted(names, key=natural_key)


def is_pickle(file: str) -> bool:
    """Returns whether a file name is that of a pickle, compressed or not."""
    return pickle_stem(file) != file and not file.startswith(".")


def pickle_stem(name: str) -> str:
    """Returns a name without the ends that are typical of pickles, such as `.pkl.gz`."""
    lower = name.lower()
    end = next((suffix for suffix in COMPRESSED_SUFFIXES if lower.endswith(suffix)), "")
    lower = lower.removesuffix(end)
    suffix = next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), "")
    return name[: len(lower) - len(suffix)] if suffix else name
