"""The record of a training in its directory, from which a report is made."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_bigdata.files import replace_file
from keras_bigdata.loading.describe import describe
from keras_bigdata.loading.epoch_dataset import EpochDataset
from keras_bigdata.loading.epoch_server import EpochServer
from keras_bigdata.loading.mixture_server import MixtureServer
from keras_bigdata.storage.remote_path import RemotePath

_VERSION = 1
_FILE = "run.json"


def run_document(
    model: Any, sequence: EpochDataset, epochs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Returns what is known about a training, as plain values.

    Args:
        model: the model.
        sequence: the data that it is trained on.
        epochs: the records of its epochs (see `InputReport`).
    """
    optimizer = model.optimizer
    return {
        "version": _VERSION,
        "written": time.time(),
        "data": {"sequence": repr(sequence), **_described(sequence.server)},
        "order": {
            name: value
            for name, value in sequence.state_dict().items()
            if isinstance(value, str | int | float | bool | None)
        },
        "model": {
            "name": model.name,
            "parameters": int(model.count_params()) if model.built else None,
            "optimizer": None if optimizer is None else type(optimizer).__name__,
            "loss": str(getattr(model, "loss", None)),
        },
        "software": {
            "python": sys.version.split()[0],
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
        },
        "epochs": list(epochs),
    }


def write_run(directory: Path | RemotePath, document: Mapping[str, Any]) -> None:
    """Replaces the record in a directory; it is complete at any instant.

    Raises:
        OSError, StorageError: if it cannot be written.
    """
    text = json.dumps(document, indent=1)
    if isinstance(directory, RemotePath):
        (directory / _FILE).write_bytes(text.encode())
        return

    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    replace_file(directory / _FILE, write)


def _described(server: EpochServer) -> dict[str, str]:
    values = server.describe() if isinstance(server, MixtureServer) else describe(server)
    return {name: str(value) for name, value in values.items() if value is not None}
