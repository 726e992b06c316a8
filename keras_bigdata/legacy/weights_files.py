"""Models and weights under the file names of Keras 1 and 2: `.h5`, `.hdf5`, or any other."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import h5py

from keras_bigdata.files import atomic_path

_WEIGHTS_OF_KERAS_3 = (".weights.h5", ".weights.json")
_MODELS = (".keras", ".h5", ".hdf5")


def save_weights(model: Any, filepath: Any, save: Callable[[str], Any]) -> None:
    """Writes the weights to exactly `filepath`.

    Names that Keras 3 takes get its format. Any other gets the HDF5 format of Keras 2, which
    `load_weights` of Keras 3 reads from names that end in `.h5` or `.hdf5`.

    Args:
        model: the model; it must have been built.
        filepath: the file; its directory is made.
        save: Keras 3's own way.
    """
    name = os.fspath(filepath)
    if name.endswith(_WEIGHTS_OF_KERAS_3) or "://" in name:
        save(name)
        return
    # Private, but Keras has no other way to write this format without the model's configuration,
    # which not every model has.
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    _make_directory(name)
    with atomic_path(name) as temporary, h5py.File(temporary, "w") as file:
        save_weights_to_hdf5_group(file, model)


def save_model(filepath: Any, save: Callable[[str], Any]) -> None:
    """Writes the model to exactly `filepath`; in HDF5, unless the name ends in `.keras`.

    Args:
        filepath: the file; its directory is made.
        save: Keras 3's own way, which chooses the format by the name.
    """
    name = os.fspath(filepath)
    if "://" in name or os.path.isdir(name):
        save(name)
        return
    _make_directory(name)
    with atomic_path(name) as temporary:
        if name.endswith(_MODELS):
            save(str(temporary))
        else:
            with_ending = temporary.with_name(f"{temporary.name}.h5")
            save(str(with_ending))
            os.replace(with_ending, temporary)


def load_weights(filepath: Any, load: Callable[[str], Any]) -> Any:
    """Reads weights, also from an HDF5 file whose name has another ending.

    Args:
        filepath: the file.
        load: Keras 3's own way, which chooses the format by the name.
    """
    name = os.fspath(filepath)
    known = name.endswith((*_MODELS, ".weights.json"))
    if known or not os.path.isfile(name) or not h5py.is_hdf5(name):
        return load(name)
    with tempfile.TemporaryDirectory() as folder:
        with_ending = os.path.join(folder, "weights.h5")
        try:
            os.symlink(os.path.abspath(name), with_ending)
        except OSError:  # Windows allows links to few
            shutil.copyfile(name, with_ending)
        return load(with_ending)


def _make_directory(name: str) -> None:
    os.makedirs(os.path.dirname(os.path.abspath(name)), exist_ok=True)
