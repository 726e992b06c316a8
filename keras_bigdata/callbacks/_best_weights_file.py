"""One `.weights.h5` file that holds the best weights and the score that made them the best."""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import keras

from keras_bigdata.files import replace_file

SUFFIX = ".weights.h5"

# What HDF5 needs for a dataset or a group beside the numbers; measured: 1 to 2 KiB.
_HDF5_BYTES = 8192


@dataclass(frozen=True, slots=True)
class BestRecord:
    """What stands beside the weights, as HDF5 attributes of the file.

    Args:
        epoch: index of the epoch, counted from 0 as in Keras's hooks.
        monitor: name of the monitored quantity.
        value: its value at the end of that epoch.
        mode: "min" or "max", what counts as better.
        wait: epochs without improvement when the file was written; more than 0 only if a baseline
            was not reached yet.
    """

    epoch: int
    monitor: str
    value: float
    mode: str
    wait: int


def weights_path(filepath: Any) -> Path:
    """Checks the name of a weights file.

    Raises:
        ValueError: if it cannot be the name of one local `.weights.h5` file.
    """
    text = str(filepath)
    path = Path(filepath)
    if "://" in text:
        raise ValueError(f"`filepath` must be a local file. Received: filepath={text!r}")
    if "{" in path.name:
        raise ValueError(
            "`filepath` names one file, which is replaced whenever there is a better epoch, so it "
            f"takes no placeholders. Received: filepath={text!r}"
        )
    if not path.name.endswith(SUFFIX):
        stem = path.name
        for ending in (".keras", ".json", ".hdf5", ".h5", ".weights"):
            stem = stem.removesuffix(ending)
        raise ValueError(
            f"`filepath` must end in {SUFFIX!r}, or Keras refuses to save weights there. "
            f"Received: filepath={text!r}. Use {str(path.with_name(stem + SUFFIX))!r}."
        )
    if path.is_dir():
        raise ValueError(f"`filepath` must be a file, not a directory. Received: filepath={text!r}")
    return path


def write_best(path: Path, model: Any, record: BestRecord) -> None:
    """Replaces the file at once: weights and record change together or not at all."""

    def save(temporary: Path) -> None:
        reserve(temporary, _size_at_most(model))
        model.save_weights(str(temporary))
        with h5py.File(temporary, "r+") as file:
            file.attrs.update(asdict(record))

    replace_file(path, save)


def read_record(path: Path) -> BestRecord:
    """Reads what stands beside the weights.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a file that `write_best` wrote.
    """
    if not path.exists():
        raise FileNotFoundError(f"There are no best weights at {path}: the file does not exist.")
    try:
        with h5py.File(path, "r") as file:
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
            f"{path} holds no score beside its weights, so BestWeightsEarlyStopping did not write "
            "it. Load it with `model.load_weights`, or pass another `filepath`."
        ) from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read as an HDF5 file: {error}") from error


def load_weights_only(model: Any, path: Path) -> None:
    """Sets the model's weights from the file and leaves its optimizer as it is."""
    # `load_weights` sets the optimizer's variables too, or warns that it has others.
    variables = _optimizer_variables(model)
    kept = [keras.ops.convert_to_numpy(variable) for variable in variables]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            model.load_weights(str(path))
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)


def _size_at_most(model: Any) -> int:
    variables = [*getattr(model, "variables", ()), *_optimizer_variables(model)]
    parts = len(variables) + len(getattr(model, "layers", ())) + 8
    numbers = sum(math.prod(v.shape) * _bytes_of_a(v.dtype) for v in variables)
    return int(numbers) + parts * _HDF5_BYTES


def _bytes_of_a(dtype: Any) -> int:
    bits = re.search(r"\d+", keras.backend.standardize_dtype(dtype))  # float8_e4m3fn, bool
    return max(1, int(bits[0]) // 8) if bits else 1


def _optimizer_variables(model: Any) -> list[Any]:
    optimizer = getattr(model, "optimizer", None)
    return [] if optimizer is None else list(optimizer.variables)


def reserve(path: Path, size: int) -> None:
    """Makes a file of that size, which its writer then replaces.

    Args:
        path: a file that does not exist.
        size: bytes that are needed.

    Raises:
        OSError: if there is no room (the disk's, or that of a quota or limit).
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
