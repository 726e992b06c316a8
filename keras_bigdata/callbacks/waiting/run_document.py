"""The record of a training as one document, for a report."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_bigdata.loading.epochs.describe import describe
from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset
from keras_bigdata.loading.epochs.epoch_server import EpochServer
from keras_bigdata.loading.mixtures.mixture_server import MixtureServer


def run_document(
    model: Any, sequence: EpochDataset, epochs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Returns the record of a training, as plain values.

    Args:
        model: the model.
        sequence: the data that it is trained on.
        epochs: the records of its epochs (see `InputReport`).
    """
    optimizer = model.optimizer
    return {
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


def _described(server: EpochServer) -> dict[str, str]:
    values = server.describe() if isinstance(server, MixtureServer) else describe(server)
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in values.items()
        if value is not None
    }
