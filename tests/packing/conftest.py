"""Sources and processes that several tests of `pack` share."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
from PIL import Image

from tests.helpers.appended_sets import pack_first
from tests.helpers.dask_processes import DaskProcesses

ASTRONAUT = Path(skimage.__file__).parent / "data" / "astronaut.png"
PHOTOS = 60

PACKING_SCRIPT = """
    import os, sys, time
    import numpy as np
    from keras_bigdata import pack

    class Slow:
        def __init__(self, pids):
            self.pids = pids

        def __len__(self):
            return 120

        def __getitem__(self, row):
            with open(self.pids, "a") as file:
                file.write(f"{os.getpid()}\\n")
            time.sleep(float(sys.argv[4]))
            return {"x": np.full(3000, row), "labels": row % 4}

    if __name__ == "__main__":
        pack(Slow(sys.argv[2]), sys.argv[1], shard_samples=5, workers=int(sys.argv[3]))
"""


@pytest.fixture
def photos(photos_of_session: Path, tmp_path: Path) -> Path:
    """Sixty pieces of a photograph, of different sizes, and their CSV, for one test to change."""
    return shutil.copytree(photos_of_session, tmp_path / "photos")


@pytest.fixture(scope="session")
def photos_of_session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    rows = []
    with Image.open(ASTRONAUT) as image:
        for number in range(PHOTOS):
            x, y = rng.integers(0, 400, 2)
            width, height = rng.integers(30, 110, 2)
            suffix = ("jpg", "png")[number % 2]
            image.crop((x, y, x + width, y + height)).save(folder / f"{number}.{suffix}")
            rows.append(
                (f"{number}.{suffix}", f"cut number {number}", ("dog", "cat")[number % 3 == 0])
            )
    with open(folder / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([("file", "caption", "label"), *rows])
    return folder


@pytest.fixture
def start_pack(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """`start_pack(directory, workers=1)` packs 24 shards of 5 rows in another process.

    The ids of the processes that read rows are appended to `tmp_path / "pids"`, one a row.
    """
    script = tmp_path / "packing_script.py"
    script.write_text(textwrap.dedent(PACKING_SCRIPT))

    def start(
        directory: Path, workers: int = 1, seconds_per_row: float = 0.004, **options: Any
    ) -> subprocess.Popen[str]:
        arguments = [directory, tmp_path / "pids", str(workers), str(seconds_per_row)]
        return subprocess.Popen(
            [sys.executable, script, *arguments], stderr=subprocess.PIPE, text=True, **options
        )

    return start


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A directory of ten rows, to which others are appended."""
    pack_first(tmp_path / "all")
    return tmp_path / "all"


@pytest.fixture
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    pytest.importorskip("distributed")
    processes = DaskProcesses(tmp_path_factory.mktemp("dask"))
    yield processes
    processes.end()
