"""`model.save` and `load_model` under the file names and formats of Keras 1 and 2."""

from __future__ import annotations

import functools
import json
import os
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import keras
import numpy as np

from keras_bigdata.files import atomic_path
from keras_bigdata.keras_internals.legacy import copies_of
from keras_bigdata.legacy.calling_script import keras_root
from keras_bigdata.legacy.layers.gates import names_of_keras_3_if
from keras_bigdata.legacy.models.saved_operations import operations_in
from keras_bigdata.legacy.models.weights_files import link_or_copy
from keras_bigdata.legacy.patching import replace, wrap
from keras_bigdata.old_keras.file_suffixes import HDF5_SUFFIXES, MODEL_SUFFIXES

_SHORT_LOSSES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
}


def install() -> None:
    """Makes `save`, `save_model` and `load_model` take old names and formats."""
    wrap(keras.Model, "save", _save)
    modules = [*copies_of("models"), *copies_of("saving")]
    save_model = _save_model(keras.models.save_model)
    for module in modules:
        replace(module, "save_model", save_model)
    # For copies of `keras.models` that are imported later.
    modules.append(sys.modules[_defining_module(keras.models.load_model)])
    load_model = _load_model(keras.models.load_model)
    for module in modules:
        replace(module, "load_model", load_model)
    from_json = _model_from_json(keras.models.model_from_json)
    for module in copies_of("models"):
        replace(module, "model_from_json", from_json)


def _model_from_json(former: Any) -> Any:
    @functools.wraps(former)
    def model_from_json(json_string: str, custom_objects: Any = None) -> Any:
        """Returns a model that is not compiled: JSON of Keras 1 and 2 had the architecture only."""
        config = json.loads(json_string)
        if isinstance(config, dict):
            config.pop("compile_config", None)
        return former(json.dumps(config), custom_objects=custom_objects)

    return model_from_json


def save_under_exact_name(filepath: Any, save: Callable[[str], Any]) -> None:
    """Writes the model to exactly `filepath`, as HDF5 unless the name ends in `.keras`.

    Args:
        filepath: the file; its directory is created.
        save: called with the name of the file to write it with Keras 3, which chooses the format
            by the name.
    """
    name = os.fspath(filepath)
    if "://" in name or os.path.isdir(name):
        save(name)
        return
    os.makedirs(os.path.dirname(os.path.abspath(name)), exist_ok=True)
    with atomic_path(name) as temporary:
        if name.endswith(MODEL_SUFFIXES):
            save(str(temporary))
        else:
            with_suffix = temporary.with_name(f"{temporary.name}.h5")
            save(str(with_suffix))
            os.replace(with_suffix, temporary)


def _defining_module(function: Any) -> str:
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return str(function.__module__)


def _save(save: Any) -> Any:
    @functools.wraps(save)
    def save_anywhere(
        self: Any,
        filepath: Any,
        overwrite: bool = True,
        *others: Any,
        save_format: str | None = None,
        include_optimizer: bool = True,
        **kwargs: Any,
    ) -> None:
        is_path = isinstance(filepath, str | os.PathLike)
        name = os.fspath(filepath) if is_path else ""
        if others and not name.endswith(".keras"):  # the order of Keras 2
            include_optimizer = others[0]
            save_format = others[1] if len(others) > 1 else save_format
            others = ()
        for unused in ("signatures", "options", "save_traces"):
            kwargs.pop(unused, None)
        is_hdf5 = name.endswith(HDF5_SUFFIXES)
        is_tensorflow = save_format == "tf" and not is_hdf5
        if not is_path or "://" in name or kwargs.get("zipped") is False:
            save(self, filepath, overwrite, *others, **kwargs)
        elif name.endswith(MODEL_SUFFIXES):
            if is_hdf5 and not include_optimizer:
                kwargs["include_optimizer"] = False
            save(self, filepath, overwrite, *others, **kwargs)
        else:
            _check_file(name, overwrite)
            is_tensorflow |= save_format is None and keras_root() == "tensorflow.keras"
            if is_tensorflow:
                _warn_of_saved_model(name)
            suffix = ".keras" if is_tensorflow or save_format == "keras" else ".h5"
            if not include_optimizer and suffix == ".h5":
                kwargs["include_optimizer"] = False
            with atomic_path(name) as temporary:
                with_suffix = temporary.with_name(f"{temporary.name}{suffix}")
                save(self, str(with_suffix), True, **kwargs)
                os.replace(with_suffix, temporary)

    return save_anywhere


def _check_file(name: str, overwrite: bool) -> None:
    if os.path.isdir(name):
        raise IsADirectoryError(
            f"{name!r} is a directory, perhaps a SavedModel that an earlier release wrote. Keras 3 "
            "saves a model as one file. Remove the directory, or save under another name."
        )
    if os.path.exists(name) and not overwrite:
        raise FileExistsError(f"{name!r} exists, and overwrite=False was passed.")
    os.makedirs(os.path.dirname(os.path.abspath(name)), exist_ok=True)


def _warn_of_saved_model(name: str) -> None:
    warnings.warn(
        f"The model is saved as one Keras file {name!r}, not as a SavedModel directory, which "
        "Keras 3 cannot load as a model. `load_model` reads the file. For TensorFlow Serving and "
        f"TFLite, write a SavedModel with model.export({name!r}).",
        stacklevel=3,
    )


def _save_model(save_model: Any) -> Any:
    @functools.wraps(save_model)
    def save_model_anywhere(model: Any, filepath: Any, *args: Any, **kwargs: Any) -> None:
        model.save(filepath, *args, **kwargs)

    return save_model_anywhere


def _load_model(load_model: Any) -> Any:
    @functools.wraps(load_model)
    def load_model_from_anywhere(
        filepath: Any, custom_objects: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        name = os.fspath(filepath) if isinstance(filepath, str | os.PathLike) else ""
        is_hdf5 = name.endswith(HDF5_SUFFIXES)
        suffix = "" if name.endswith(MODEL_SUFFIXES) else _suffix_by_content(name)
        if is_hdf5 or suffix == ".h5":
            # Keras 3.15 does not find `loss="mse"` of such a file.
            found = {**_short_losses(), **operations_in(name)}
            custom_objects = {**found, **(custom_objects or {})}
        with names_of_keras_3_if(_is_of_keras_3(name)):
            if suffix:
                with tempfile.TemporaryDirectory() as folder:
                    path = link_or_copy(name, os.path.join(folder, f"model{suffix}"))
                    model = load_model(path, custom_objects, *args, **kwargs)
            else:
                model = load_model(filepath, custom_objects, *args, **kwargs)
        if is_hdf5 or suffix == ".h5":
            _rebuild_optimizer(model, name)
        return model

    return load_model_from_anywhere


def _rebuild_optimizer(model: Any, name: str) -> None:
    """Builds the optimizer for the weights of a model that was loaded from HDF5.

    Keras 3.15 builds it for the weights of the model itself, without those of its layers, so that
    training fails.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not model.trainable_variables:
        return
    optimizer = type(optimizer).from_config(optimizer.get_config())
    optimizer.build(model.trainable_variables)
    model.optimizer = optimizer
    with h5py.File(name) as file:
        if "optimizer_weights" not in file:
            return
        group = file["optimizer_weights"]
        values = [group[key][()] for key in group.attrs.get("weight_names", ())]
    shapes = [tuple(variable.shape) for variable in optimizer.variables]
    if [np.shape(value) for value in values] == shapes:
        optimizer.set_weights(values)
    else:
        warnings.warn(
            f"The state of the optimizer in {name!r} is of another release of Keras or of other "
            "layers, and is not used: training continues with a new one.",
            stacklevel=3,
        )


def _short_losses() -> dict[str, Any]:
    """Returns the losses with short names, as functions of these names, which metrics keep."""

    def renamed(loss: Any, name: str) -> Any:
        def function(y_true: Any, y_pred: Any) -> Any:
            return loss(y_true, y_pred)

        function.__name__ = name
        return function

    return {
        short: renamed(getattr(keras.losses, long), short) for short, long in _SHORT_LOSSES.items()
    }


def _is_of_keras_3(name: str) -> bool:
    """Whether Keras 3 saved a model, by the version in its file. Only HDF5 files may be older."""
    if not os.path.isfile(name) or not h5py.is_hdf5(name):
        return True
    with h5py.File(name) as file:
        version = file.attrs.get("keras_version", b"1")
    return (version.decode() if isinstance(version, bytes) else str(version)) >= "3"


def _suffix_by_content(name: str) -> str:
    if not os.path.isfile(name):
        return ""
    if h5py.is_hdf5(name):
        return ".h5"
    return ".keras" if zipfile.is_zipfile(name) else ""
