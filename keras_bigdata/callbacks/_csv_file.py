"""The file of a `keras.callbacks.CSVLogger`, saved and put back byte for byte."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from keras_bigdata.files import atomic_path


def read(logger: Any) -> dict[str, Any]:
    """What the logger has written, and what it knows of its columns."""
    path = Path(logger.filename)
    return {
        "content": path.read_bytes() if path.exists() else b"",
        "keys": logger.keys,
        "append_header": bool(logger.append_header and logger.writer is None),
    }


def restore(logger: Any, state: dict[str, Any]) -> None:
    """Puts the file back and has the logger go on after it."""
    is_open = logger.csv_file is not None and not logger.csv_file.closed
    if is_open:
        logger.csv_file.close()
    path = Path(os.path.realpath(logger.filename))
    with atomic_path(path) as temporary:
        temporary.write_bytes(state["content"])
    if is_open:
        logger.csv_file = open(path, "a")  # noqa: SIM115
    logger.writer = None
    logger.keys = state["keys"]
    logger.append_header = state["append_header"]


def is_local(logger: Any) -> bool:
    """Whether the file is one of this machine."""
    return "://" not in logger.filename
