"""The files that `migrate` is called with: files, and the scripts below directories."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from keras_bigdata.files import walk_directory

_SUFFIXES = (".py", ".ipynb")
# Directories with code that is not the user's. Hidden ones (`.git`, `.venv`) are never entered.
_SKIPPED = {"__pycache__", "__pypackages__", "node_modules", "site-packages"}
# A file in it shows that a directory is an environment, whatever its name.
_ENVIRONMENT_FILES = {"pyvenv.cfg", "conda-meta"}


def list_files(paths: Iterable[str | os.PathLike[str]]) -> dict[Path, str]:
    """Returns the files to migrate.

    Args:
        paths: files, which are taken whatever their names, and directories, of which all `.py`
            and `.ipynb` files are taken. Virtual environments, hidden directories and
            `node_modules` are skipped, links to directories are not followed.

    Returns:
        A dict of absolute paths without links to the paths as they were given or found. Each file
        is there once. The order is that of `paths`, and sorted within a directory.

    Raises:
        OSError: if a directory cannot be listed.
        ValueError: if a directory contains no scripts.
    """
    files: dict[Path, str] = {}
    for path in paths:
        given = os.fspath(path)
        if not os.path.isdir(given):
            files.setdefault(Path(os.path.realpath(given)), given)
            continue
        found = list(_scripts_below(given))
        if not found:
            raise ValueError(f"{given}: the directory contains no .py and no .ipynb file.")
        for script in found:
            files.setdefault(Path(os.path.realpath(script)), script)
    return files


def _scripts_below(directory: str) -> Iterator[str]:
    for folder, folders, names in walk_directory(directory, follow_links=False):
        folders[:] = [name for name in folders if not _is_skipped(os.path.join(folder, name))]
        for name in names:
            path = os.path.join(folder, name)
            # A link to a directory or to nothing may be named like a script.
            if name.endswith(_SUFFIXES) and not name.startswith(".") and os.path.isfile(path):
                yield path.removeprefix(os.curdir + os.sep)


def _is_skipped(directory: str) -> bool:
    return os.path.basename(directory) in _SKIPPED or any(
        os.path.exists(os.path.join(directory, name)) for name in _ENVIRONMENT_FILES
    )
