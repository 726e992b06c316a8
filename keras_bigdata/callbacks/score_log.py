"""A joblib file of the training and validation scores of all epochs."""

from __future__ import annotations

import copy
import io
import math
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import keras

from keras_bigdata.arguments import checked_bool
from keras_bigdata.callbacks.shared.callback_states import check_version
from keras_bigdata.callbacks.shared.monitor import (
    check_validation_order,
    missing_monitor_message,
    monitored_value,
)
from keras_bigdata.callbacks.shared.training_processes import training_processes
from keras_bigdata.errors import StorageError
from keras_bigdata.files import remove_leftovers, replace_file
from keras_bigdata.keras_internals.processes import Processes
from keras_bigdata.storage.copies.transfer import probe_writable
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.writable import output_place

_STATE_VERSION = 1


class ScoreLog(keras.callbacks.Callback):
    """Writes the training and validation score of every epoch to a file.

    The file is a joblib file (an ordinary pickle) of `{"train": [...], "val": [...]}`, with one
    Python float per epoch in each list. It is replaced atomically after every epoch: at any
    instant, even after a kill, it holds all epochs up to the last or the last but one.

    List it after the callback that computes the validation score. An epoch without any validation
    (`WeightedValidation(freq=2)`) has NaN in `"val"`, so that both lists have the same length. If
    several processes train the model together, the first one writes the file.

    Args:
        filepath: path or URL of the file. Missing directories are created when training begins.
            Behind a URL (`s3://`, `gs://`, `az://`, `memory://`) the whole file is written again
            after every epoch, in one request.
        monitor: name of the score, without `val_`: `logs[monitor]` is appended to `"train"`,
            `logs["val_" + monitor]` to `"val"`. Defaults to `"accuracy"`.
        resume: whether to append to the file, if it exists, instead of replacing it at each
            `fit`. Defaults to `False`.
        storage_options: options of the fsspec driver of a URL. They are not stored. Defaults to
            `None`.

    Attributes:
        scores: the dict that was written last.

    Raises:
        TypeError: if `filepath` is not a path.
        ValueError: if an argument has a wrong value; while training: if one of the two scores is
            not in the logs, or if the file to resume from is not a score log.
        OSError, StorageError: while training: if the file cannot be written.

    Example:

    ```python
    import joblib
    import keras
    import numpy as np
    from keras_bigdata import ScoreLog, WeightedValidation

    x, y = np.random.rand(100, 4), np.random.randint(0, 3, 100)
    model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    callbacks = [WeightedValidation((x, y)), ScoreLog("scores.pkl")]
    model.fit(x, y, epochs=3, callbacks=callbacks)
    print(joblib.load("scores.pkl"))
    ```
    """

    # `monitor` has no `val_`, by which `WeightedValidation` finds callbacks that stand too early.
    reads_validation = True

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "accuracy",
        *,
        resume: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.filepath = output_place(filepath, "filepath", storage_options)
        if isinstance(self.filepath, Path) and self.filepath.is_dir():
            raise ValueError(
                f"`filepath` must be a file, not a directory. Received: filepath={str(filepath)!r}"
            )
        if not isinstance(monitor, str) or not monitor:
            raise ValueError(
                f"`monitor` must be the name of a metric. Received: monitor={monitor!r}"
            )
        if monitor.startswith("val_"):
            raise ValueError(
                f"`monitor` must be the name without 'val_': both scores are written. "
                f"Received: monitor={monitor!r}. Use {monitor.removeprefix('val_')!r}."
            )
        self.monitor = monitor
        self.resume = checked_bool(resume, "resume")
        self.scores: dict[str, list[float]] = {"train": [], "val": []}
        self._processes = Processes()
        self._validated = False
        self._last_logs: dict[str, Any] | None = None
        self._shared_logs: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.filepath)!r}, monitor={self.monitor!r})"

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the training so far, as plain values."""
        return {
            "version": _STATE_VERSION,
            "scores": self.scores,
            "validated": self._validated,
            "last_logs": self._last_logs,
            "shared_logs": self._shared_logs,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a state within a training, and the file with it.

        Args:
            state: the result of `state_dict()`.

        Raises:
            ValueError: if the state has a different version.
        """
        check_version(self, state, _STATE_VERSION)
        self.scores = state["scores"]
        self._validated = state["validated"]
        self._last_logs = state["last_logs"]
        self._shared_logs = state["shared_logs"]
        if self.scores["train"]:
            self._write()

    def __deepcopy__(self, memo: dict[int, Any]) -> ScoreLog:
        copied = copy.copy(self)
        copied.scores = {name: list(values) for name, values in self.scores.items()}
        memo[id(self)] = copied
        return copied

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Resets the scores, or reads them from the file with `resume=True`."""
        self._processes = training_processes(self.model)
        self.scores = self._processes.from_first(self._prepare)
        self._validated = False
        self._last_logs = None
        self._shared_logs = None

    def _prepare(self) -> dict[str, list[float]]:
        if isinstance(self.filepath, RemotePath):
            probe_writable(self.filepath)
        else:
            self.filepath.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.filepath)
        if self.resume and self.filepath.exists():
            return _read(self.filepath)
        return {"train": [], "val": []}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks that no validation came after this callback had read the logs."""
        if not self._validated:
            check_validation_order(self._shared_logs, f"val_{self.monitor}", self)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Appends the scores of the epoch and replaces the file."""
        self._shared_logs = logs
        self._last_logs = dict(logs or {})
        train = monitored_value(self._last_logs, self.monitor, self)
        val = monitored_value(self._last_logs, f"val_{self.monitor}", self)
        self._validated = self._validated or val is not None
        self.scores["train"].append(math.nan if train is None else train)
        self.scores["val"].append(math.nan if val is None else val)
        self._write()

    def _write(self) -> None:
        def write() -> None:
            if isinstance(self.filepath, RemotePath):
                buffer = io.BytesIO()
                joblib.dump(self.scores, buffer)
                self.filepath.write_bytes(buffer.getvalue())
                return
            replace_file(self.filepath, lambda temporary: joblib.dump(self.scores, temporary))

        self._processes.from_first(write)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Checks that there was a validation."""
        if self._last_logs is not None and not self._validated:
            raise ValueError(
                "Training ended without a validation. "
                + missing_monitor_message(f"val_{self.monitor}", self._last_logs, self)
            )


class _PlainUnpickler(pickle.Unpickler):
    """Reads lists, dicts, strings and numbers, and refuses everything that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it contains the global {module}.{name}")


def _read(path: Path | RemotePath) -> dict[str, list[float]]:
    try:
        loaded = _PlainUnpickler(io.BytesIO(path.read_bytes())).load()
        scores = {name: [float(value) for value in loaded[name]] for name in ("train", "val")}
    except StorageError:
        raise
    except Exception as error:  # bytes that are not a pickle can raise nearly anything
        raise ValueError(
            f"{path} is not a score log, a pickled {{'train': [...], 'val': [...]}} of Python "
            f"numbers: {error}. Pass another `filepath`, or resume=False to replace it."
        ) from error
    return scores
