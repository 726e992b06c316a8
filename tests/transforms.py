"""Transforms for worker processes, in a module that imports nothing heavy."""

from __future__ import annotations


def identity(batch, rng):
    return batch


def add_noise(batch, rng):
    noise = rng.normal(scale=0.1, size=batch["x"].shape).astype("float32")
    return {**batch, "x": batch["x"] + noise}
