"""Transforms for worker processes, in a module that imports nothing heavy."""

from __future__ import annotations


def identity(batch, rng):
    return batch
