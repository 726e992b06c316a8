"""The record of a small training, as `InputReport` writes it."""

from __future__ import annotations

EPOCH = {
    **{"seconds": 2.0, "wait": 0.25, "limit": "read", "rows": 100, "samples_per_second": 50.0},
    "peak_memory": 3_000_000,
}
RUN = {
    "version": 1,
    "written": 1_700_000_000,
    "data": {"sequence": "ShardSequence('a <b> & c')", "fields": "x"},
    "order": {"seed": 5},
    "model": {"name": "net", "parameters": 7},
    "software": {"keras": "3.15.1"},
    "epochs": [
        {**EPOCH, "epoch": 0, "logs": {"loss": 2.0, "val_loss": 1.0, "input_wait": 0.25}},
        {**EPOCH, "epoch": 1, "logs": {"loss": 1.0, "val_loss": 0.5, "input_wait": 0.25}},
        {**EPOCH, "epoch": 2, "wait": None, "logs": {"loss": 0.5, "val_loss": None}},
    ],
}
