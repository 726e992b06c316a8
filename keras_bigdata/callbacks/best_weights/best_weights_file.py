"""One `.weights.h5` file with the best weights and their score."""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import keras

from keras_bigdata.errors import StorageError
from keras_bigdata.files import is_url, remove_leftovers, replace_file
from keras_bigdata.keras_internals.callbacks import optimizer_warning_ignored
from keras_bigdata.keras_internals.distribution import is_divided
from keras_bigdata.storage.copies.ranged_file import RangedFile
from keras_bigdata.storage.copies.transfer import download, probe_writable
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.private_file import private_file
from keras_bigdata.storage.writing.writable import output_place

SUFFIX = ".weights.h5"

# Upper bound of what HDF5 needs for a dataset or a group in addition to the numbers (measured: 1 to
# 2 KiB).
_HDF5_BYTES = 8192


@dataclass(frozen=True, slots=True)
class BestRecord:
    """The score of the weights, stored as HDF5 attributes of the file.

    Args:
        epoch: index of the epoch, counted from 0 as in Keras's hooks.
        monitor: name of the monitored quantity.
        value: its value at the end of that epoch.
        mode: "min" if a smaller value is better, "max" if a greater one is.
        wait: epochs without improvement when the file was written; more than 0 only if a baseline
            was not reached yet.
    """

    epoch: int
    monitor: str
    value: float
    mode: str
    wait: int


def check_weights_path(
    filepath: Any, storage_options: Mapping[str, Any] | None = None
) -> Path | RemotePath:
    """Returns the path or URL of a weights file after checking its name.

    Raises:
        ValueError: if it cannot be the name of one `.weights.h5` file.
    """
    text = str(filepath)
    place: Path | RemotePath = Path(filepath)
    if is_url(text):
        place = output_place(filepath, "filepath", storage_options)
    elif storage_options is not None:
        output_place(filepath, "filepath", storage_options)
    if "{" in place.name:
        raise ValueError(
            "`filepath` is one file, which is replaced at every better epoch, so it must not have "
            f"placeholders. Received: filepath={text!r}"
        )
    if not place.name.endswith(SUFFIX):
        stem = place.name
        for ending in (".keras", ".json", ".hdf5", ".h5", ".weights"):
            stem = stem.removesuffix(ending)
        raise ValueError(
            f"`filepath` must end in {SUFFIX!r}; Keras does not save weights to other names. "
            f"Received: filepath={text!r}. Use {str(place.parent / (stem + SUFFIX))!r}."
        )
    if isinstance(place, Path) and place.is_dir():
        raise ValueError(f"`filepath` must be a file, not a directory. Received: filepath={text!r}")
    return place


def prepare_directory(path: Path | RemotePath, model: Any) -> None:
    """Checks before the first epoch, not after it, that the file can be written.

    Raises:
        ValueError: if each process holds only a part of the weights.
        OSError: if it cannot be written.
        StorageError: the same, for a URL.
    """
    _refuse_divided(model)
    if isinstance(path, RemotePath):
        probe_writable(path)
        return
    directory = path.parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise OSError(
            error.errno, f"The best weights cannot be written to {path}: {error.strerror}"
        ) from error
    remove_leftovers(path)


def _refuse_divided(model: Any) -> None:
    divided = [
        variable.path for variable in getattr(model, "variables", ()) if is_divided(variable)
    ]
    if divided:
        raise ValueError(
            f"The processes divide {len(divided)} variables among them, such as {divided[0]!r} "
            "(`ModelParallel`), and BestWeightsEarlyStopping cannot write them. ResumeTraining "
            "writes checkpoints of such a model."
        )


def write_best(path: Path | RemotePath, model: Any, record: BestRecord) -> None:
    """Replaces the file atomically: weights and record change together or not at all."""
    _refuse_divided(model)  # again, because the first step may have built the model

    def save(temporary: Path) -> None:
        reserve_space(temporary, _max_file_size(model))
        model.save_weights(str(temporary))
        with h5py.File(temporary, "r+") as file:
            file.attrs.update(asdict(record))

    if isinstance(path, RemotePath):
        with private_file(path.name) as local:
            save(local)
            path.upload(local)
        return
    replace_file(path, save)


def read_record(path: Path | RemotePath) -> BestRecord:
    """Reads the score of the weights in a file; behind a URL only a few blocks of the file.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it is not a file that `write_best` wrote.
        StorageError: if a URL cannot be read.
    """
    if not path.exists():
        raise FileNotFoundError(f"There are no best weights at {path}: the file does not exist.")
    try:
        source = RangedFile(path) if isinstance(path, RemotePath) else path
        with h5py.File(source, "r") as file:
            attributes = file.attrs
            return BestRecord(
                epoch=int(attributes["epoch"]),
                monitor=str(attributes["monitor"]),
                value=float(attributes["value"]),
                mode=str(attributes["mode"]),
                wait=int(attributes["wait"]),
            )
    except KeyError as error:
        raise ValueError(
            f"{path} holds weights without a score, so BestWeightsEarlyStopping did not write it. "
            "Load it with `model.load_weights`, or pass another `filepath`."
        ) from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read as an HDF5 file: {error}") from error


def record_values(path: Path | RemotePath) -> dict[str, Any] | None:
    """Returns the values of the record in a file; `None` if the file does not exist."""
    return asdict(read_record(path)) if path.exists() else None


def load_weights_only(model: Any, path: Path | RemotePath) -> None:
    """Sets the model's weights from the file and leaves its optimizer unchanged."""
    if isinstance(path, RemotePath):
        with private_file(path.name) as local:
            download(path, local)
            load_weights_only(model, local)
        return
    # `load_weights` sets the optimizer's variables too, or warns that it has different ones.
    variables = _optimizer_variables(model)
    former = [keras.ops.convert_to_numpy(variable) for variable in variables]
    try:
        with optimizer_warning_ignored():
            model.load_weights(str(path))
    finally:
        for variable, value in zip(variables, former, strict=True):
            variable.assign(value)


def _max_file_size(model: Any) -> int:
    variables = [*getattr(model, "variables", ()), *_optimizer_variables(model)]
    objects = len(variables) + len(getattr(model, "layers", ())) + 8
    numbers = sum(math.prod(v.shape) * _item_size(v.dtype) for v in variables)
    return int(numbers) + objects * _HDF5_BYTES


def _item_size(dtype: Any) -> int:
    bits = re.search(r"\d+", keras.backend.standardize_dtype(dtype))  # float8_e4m3fn, bool
    return max(1, int(bits[0]) // 8) if bits else 1


def _optimizer_variables(model: Any) -> list[Any]:
    optimizer = getattr(model, "optimizer", None)
    return [] if optimizer is None else list(optimizer.variables)


def reserve_space(path: Path, size: int) -> None:
    """Creates a file of the given size, which its writer then replaces.

    When a write fails, HDF5 fails again while it closes the file, and the interpreter may crash:
    with h5py 3 on a full tmpfs it ended with a segmentation fault. This function detects a full
    disk first.

    Args:
        path: a file that does not exist.
        size: number of bytes.

    Raises:
        OSError: if the disk, a quota or a limit does not allow that many bytes.
    """
    with open(path, "xb") as file:
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                    raise
            else:
                return
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {free} of {size} bytes are free")


def write_error(
    error: OSError | StorageError, path: Path | RemotePath, epoch: int, has_former: bool
) -> OSError | StorageError:
    """Returns the error for best weights that could not be written.

    Args:
        error: the cause.
        path: the file.
        epoch: number of the epoch, from 0.
        has_former: whether this training has written weights before.
    """
    kept = " The file still holds the previous best weights." if has_former else ""
    reason = str(getattr(error, "strerror", None) or error).removesuffix(".")
    text = (
        f"The weights of epoch {epoch + 1}, the best so far, could not be written to {path}: "
        f"{reason}.{kept}"
    )
    return StorageError(text) if isinstance(error, StorageError) else OSError(error.errno, text)
