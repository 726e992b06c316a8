"""Pickles that other code wrote, and the ids that a sequence reads from them."""

from __future__ import annotations

import pickle


def ids_of(sequence):
    return [sequence[i][1].tolist() for i in range(len(sequence))]


def dump(path, content, protocol=4):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        pickle.dump(content, file, protocol=protocol)
    return path
