"""Finds what a directory holds: an index, or pickles by the ends of their names, in order."""

from __future__ import annotations

import os
from pathlib import Path

from keras_bigdata.errors import ShardError
from keras_bigdata.files import natural_key, temporary_target, walk_directory
from keras_bigdata.shards.index import INDEX_NAME
from keras_bigdata.shards.unfinished import find_unfinished, unfinished_error

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
