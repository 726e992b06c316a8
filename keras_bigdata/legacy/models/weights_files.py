"""Weights under the file names of Keras 1 and 2: `.h5`, `.hdf5`, or any other."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import h5py

from keras_bigdata.files import atomic_path
from keras_bigdata.keras_internals.legacy import save_weights_as_keras_2
from keras_bigdata.old_keras.file_suffixes import MODEL_SUFFIXES

_KERAS_3_WEIGHTS = (".weights.h5", ".weights.json")


def save_weights(model: Any, filepath: Any, save: Callable[[str], Any]) -> None:
    """Writes the weights to exactly `filepath`.

    A name that Keras 3 accepts selects its format. Any other name selects the HDF5 format of
    Keras 2, which `load_weights` of Keras 3 reads from names that end in `.h5` or `.hdf5`.

    Args:
        model: the model; it must have been built.
        filepath: the file; its directory is created.
        save: called with the name of the file to write it with Keras 3.
    """
    name = os.fspath(filepath)
    if name.endswith(_KERAS_3_WEIGHTS) or "://" in name:
        save(name)
        return
    _make_parent_directory(name)
    with atomic_path(name) as temporary, h5py.File(temporary, "w") as file:
        save_weights_as_keras_2(file, model)


def load_weights(filepath: Any, load: Callable[[str], Any]) -> Any:
    """Reads weights, also from an HDF5 file whose name has another suffix.

    Args:
        filepath: the file.
        load: called with the name of the file to read it with Keras 3, which chooses the format by
            the name.
    """
    name = os.fspath(filepath)
    is_known = name.endswith((*MODEL_SUFFIXES, ".weights.json"))
    if is_known or not os.path.isfile(name) or not h5py.is_hdf5(name):
        return load(name)
    with tempfile.TemporaryDirectory() as folder:
        return load(link_or_copy(name, os.path.join(folder, "weights.h5")))


def link_or_copy(name: str, path: str) -> str:
    """Makes a file available under another path, for a short time. Returns that path."""
    try:
        os.symlink(os.path.abspath(name), path)
    except OSError:  # on Windows, creating links requires a privilege
        shutil.copyfile(name, path)
    return path


def _make_parent_directory(name: str) -> None:
    os.makedirs(os.path.dirname(os.path.abspath(name)), exist_ok=True)
