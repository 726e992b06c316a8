"""Functions that scripts for Keras 1 and 2 used, and that are private in Keras 3."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

_TF_KERAS = "keras._tf_keras.keras"

# Names under which Keras can be imported; `tensorflow.keras` is a separate module. The one that
# `tf_keras_module` describes is patched where it exists.
KERAS_MODULES = ("keras", "keras.api", _TF_KERAS, "tensorflow.keras")


def save_weights_as_keras_2(file: Any, model: Any) -> None:
    """Writes the weights of a model into an open HDF5 file, in the format of Keras 2.

    Finds: `keras.src.legacy.saving.legacy_h5_format.save_weights_to_hdf5_group`.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. Keras has no public function that writes this format without the model's
    configuration, which not every model has.

    Without it: an error that names the file endings to use.

    Args:
        file: an `h5py.File` that is open for writing.
        model: a built model.

    Raises:
        ValueError: if Keras cannot write the format any more.
    """
    try:
        from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group
    except ImportError as error:
        raise ValueError(
            f"This release of Keras cannot write weights in the format of Keras 2 ({error}). Use a "
            "name that ends in `.weights.h5`."
        ) from error
    save_weights_to_hdf5_group(file, model)


def tf_keras_module(name: str) -> ModuleType | None:
    """Returns a module of the `tf.keras` namespace, such as `preprocessing.text`.

    Finds: `keras._tf_keras.keras`, which contains `ImageDataGenerator`, `Tokenizer` and other names
    that are not in `keras`.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. `tensorflow.keras` has the same modules, where TensorFlow is installed.

    Without it: `None`; these names stay missing.
    """
    try:
        return importlib.import_module(f"{_TF_KERAS}.{name}")
    except ImportError:
        return None
