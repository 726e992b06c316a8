"""Pickles without an index, as other programs write them, and the ids that a sequence reads."""

from __future__ import annotations

import pickle


def ids_of(sequence):
    """Returns the targets of each batch, which are the ids of its rows."""
    return [sequence[i][1].tolist() for i in range(len(sequence))]


def dump(path, content, protocol=4):
    """Writes a pickle, and its folder if that is missing; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        pickle.dump(content, file, protocol=protocol)
    return path
