"""Sets of shards in stores, and the programs that write them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec

_PROGRAM = """
    import json, os, sys, time
    import numpy as np
    from keras_bigdata import pack

    class Slow:
        def __len__(self):
            return 120

        def __getitem__(self, row):
            time.sleep(float(sys.argv[3]))
            return {"x": np.full(3000, row), "labels": row % 4}

    if __name__ == "__main__":
        options = json.loads(os.environ["OPTIONS"]) if os.environ.get("OPTIONS") else None
        pack(Slow(), sys.argv[1], shard_samples=5, workers=int(sys.argv[2]),
             storage_options=options)
"""


def read_store(url: str, options: Mapping[str, Any] | None = None) -> dict[str, bytes]:
    """Returns name -> content of all files below a URL, as another program sees them."""
    store, root = fsspec.core.url_to_fs(url, **{**(options or {}), "use_listings_cache": False})
    store.invalidate_cache()
    prefix = f"{root.rstrip('/')}/"
    names = store.find(root)
    return {name.removeprefix(prefix): store.cat_file(name) for name in names}


def start_program(
    folder: Path, target: Any, *, options: str = "", workers: int = 1, seconds_per_row: float = 0.0
) -> subprocess.Popen[str]:
    """Starts a program that packs 24 shards of 5 rows into a directory or URL.

    Args:
        folder: where the program is written.
        target: the directory or URL.
        options: `storage_options` as JSON; none if it is empty. Defaults to `""`.
        workers: as for `pack`. Defaults to `1`.
        seconds_per_row: time that each row takes. Defaults to `0.0`.
    """
    script = folder / "packing_program.py"
    script.write_text(textwrap.dedent(_PROGRAM))
    return subprocess.Popen(
        [sys.executable, script, str(target), str(workers), str(seconds_per_row)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPTIONS": options},
    )
