"""Transforms for worker processes, in a module that imports nothing heavy."""

from __future__ import annotations

import time


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


def fails_at_three(batch, rng):
    if 48 in batch["id"]:
        raise KeyError("no such colour")
    return batch


class NeedsTwo(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def cannot_be_sent(batch, rng):
    raise NeedsTwo(1, 2)


def ends_too_early(batch, rng):
    return next(iter([]))


def busy_x(batch, rng):
    """Some 3 ms of Python that holds the GIL."""
    number = 0
    for step in range(80_000):
        number += step & 3
    return {**batch, "x": batch["x"] + 0 * number}


def half_a_second(batch, rng):
    time.sleep(0.5)
    return batch


def shift_tokens(batch, rng):
    tokens = batch["tokens"]
    return {"now": tokens[:, :-1], "next": tokens[:, 1:]}


def double_labels(batch, rng):
    return {**batch, "labels": 2 * batch["labels"]}
