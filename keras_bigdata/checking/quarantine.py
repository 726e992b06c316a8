"""Where files go that are not used any more. Nothing is deleted."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

# Below the directory of the shards. The names in it end in `.quarantined`, so that none is taken
# for a shard.
QUARANTINE = "quarantine"


def move(directory: Path, name: str) -> Path:
    """Moves a file of the directory into its quarantine; gives where it is now."""
    target = _free(directory, name)
    os.rename(directory / name, target)
    return target


def copy(directory: Path, name: str) -> Path:
    """The same for a file that is about to be replaced at once."""
    target = _free(directory, name)
    shutil.copy2(directory / name, target)
    return target


def _free(directory: Path, name: str) -> Path:
    place = directory / QUARANTINE / name
    place.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        target = place.with_name(f"{place.name}{f'-{number}' if number > 1 else ''}.quarantined")
        if not target.exists():
            return target
    raise AssertionError
