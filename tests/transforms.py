"""Transforms for worker processes, in a module that imports nothing heavy."""

from __future__ import annotations


def identity(batch, rng):
    return batch


def add_noise(batch, rng):
    noise = rng.normal(scale=0.1, size=batch["x"].shape).astype("float32")
    return {**batch, "x": batch["x"] + noise}


def busy(batch, rng):
    """Some 15 ms of Python that holds the GIL."""
    number = 0
    for step in range(400_000):
        number += step & 3
    return {**batch, "labels": batch["labels"] + 0 * number}
