"""The public names of Keras 1 and 2, by module, from the tables keras_1_names and keras_2_names."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Literal

from keras_bigdata.old_keras import keras_1_names, keras_2_names


@functools.cache
def names_by_module(version: Literal[1, 2]) -> Mapping[str, frozenset[str]]:
    """Returns the public names of each public module of Keras 1.2.2 or 2.2.4."""
    table = {1: keras_1_names.TABLE, 2: keras_2_names.TABLE}[version]
    names: dict[str, set[str]] = {}
    module = ""
    for line in table.splitlines():
        head, colon, rest = line.partition(":")
        if colon:
            module = head.strip()
            names.setdefault(module, set()).update(rest.split())
        else:
            names.setdefault(module, set()).update(line.split())
    names.pop("", None)
    return {module: frozenset(found) for module, found in names.items()}


def all_names(module: str) -> frozenset[str]:
    """Returns the names that a module had in Keras 1.2.2 or 2.2.4; empty for an unknown module."""
    return frozenset().union(*(names_by_module(v).get(module, ()) for v in (1, 2)))


@functools.cache
def old_modules() -> tuple[str, ...]:
    """Returns the modules of Keras 1.2.2 and 2.2.4, parents before their children."""
    return tuple(sorted({*names_by_module(1), *names_by_module(2)}))
