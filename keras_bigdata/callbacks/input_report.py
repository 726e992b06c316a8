"""Reports how long training waits for its data, and what would help."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from keras_bigdata.arguments import checked_choice
from keras_bigdata.callbacks.shared.callback_states import check_version
from keras_bigdata.callbacks.shared.running_training import RunningTraining
from keras_bigdata.callbacks.shared.training_processes import training_processes
from keras_bigdata.callbacks.waiting.device_wait import wait_for_device
from keras_bigdata.callbacks.waiting.gil_probe import GilProbe
from keras_bigdata.callbacks.waiting.input_advice import (
    InputSettings,
    advice,
    advice_kind,
    find_limit,
)
from keras_bigdata.callbacks.waiting.input_waiting import WaitingMeter
from keras_bigdata.callbacks.waiting.longest_waiting import longest_waiting
from keras_bigdata.callbacks.waiting.run_document import run_document
from keras_bigdata.keras_internals.callbacks import callback_list, fit_input, training_frame
from keras_bigdata.keras_internals.processes import Processes
from keras_bigdata.loading.batches.stage_times import StageSeconds
from keras_bigdata.loading.epochs.dataset_origin import dataset_origin
from keras_bigdata.loading.epochs.deliveries import Deliveries
from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset
from keras_bigdata.loading.prefetching.worker_threads import loading_threads
from keras_bigdata.machine_limits import usable_cores
from keras_bigdata.report.run_record import write_run
from keras_bigdata.storage.paths.place import cache_of
from keras_bigdata.storage.writing.writable import output_place

_STATE_VERSION = 1


class InputReport(keras.callbacks.Callback):
    """Reports how long training waits for its data, and what would make it wait less.

    After each epoch `logs["input_wait"]` is the share of the epoch in which the model waited for a
    batch, from 0 to 1, so that `History`, `CSVLogger` and `TensorBoard` have it: list this callback
    before them. Epochs last from their first batch to their last one, without validation. The first
    epoch includes the time in which the model is compiled, and reads files that later epochs may
    find in memory.

    A sentence of advice is printed after the first epoch, and another one when it changes.

    Waiting is computed from the times when batches are delivered and when the device has finished
    some steps, under the assumption that all steps take equally long. The device is synchronized
    four times per second, so that the result is correct on a GPU too.

    A `transform` in pure Python, in threads, may slow down `fit` itself, because both need the GIL;
    then it is named as the limit, although training does not wait for data.

    On TensorFlow the batch is fetched after `on_train_batch_begin`: what callbacks that are listed
    after this one do there counts as waiting.

    The data must be a `ShardSequence` or a `Mixture`, or the `as_dataset()` of one. If something
    that takes time follows it, such as `map`, the waiting is not known: `input_wait` is NaN. What
    the backend converts in the thread that trains, on JAX and torch, counts as training.

    If several processes train the model together, all of them report the one that waits longest:
    the others wait for it in every step. The first one prints the advice and writes the directory.

    Args:
        directory: path or URL of a directory for the record of the run, which
            `keras-bigdata report` shows: the scores and the input of all epochs, the settings, and
            what the data are. It is written after every epoch, and replaces that of an earlier run.
            Defaults to `None`: nothing is written.
        verbose: 0 to print nothing, 1 to print the advice. Defaults to `1`.
        storage_options: options of the fsspec driver of a URL. They are not stored. Defaults to
            `None`.

    Attributes:
        epochs: a list of one dict per epoch of the last `fit`: `"epoch"`, its number; `"seconds"`;
            `"wait"`, a share, `None` if it is unknown; `"first_batch"`, the seconds until the first
            batch arrived; `"batches"`; `"rows"`; `"samples_per_second"`; `"bytes_per_second"`,
            which counts what was read; `"read"`, `"decode"`, `"transform"`, the seconds in these
            stages, summed over threads and processes; `"transform_cpu"`, the CPU time of the
            transform; `"conversion"`, the seconds in which the backend converted batches, where it
            does that in another thread; `"read_bytes"`; `"limit"`, what limited the epoch:
            `"model"`, `"start"`, `"delivery"`, if batches take longer to pass on than to load, or
            a stage; `"peak_memory"`, the largest memory of the process so far, in bytes; `"logs"`,
            the scores; and, if several processes train together, `"process"`, the rank of the one
            that waited longest; the other values are its own.

    Raises:
        TypeError, ValueError: if an argument has a wrong type or value.
        OSError, StorageError: while training: if the directory cannot be written.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_bigdata import Arrays, InputReport, ShardSequence, pack

    pack(Arrays(x=np.random.rand(512, 4), y=np.random.rand(512), targets="y"), "shards/numbers")
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    report = InputReport()
    model.fit(ShardSequence("shards/numbers", 32), epochs=2, callbacks=[report], verbose=0)
    print(report.epochs[1]["wait"])
    ```
    """

    # `WeightedValidation`, listed before this callback, calls `on_test_begin` too.
    excludes_validation = True

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        verbose: int = 1,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        place = None if directory is None else output_place(directory, "directory", storage_options)
        self.directory = place
        self.verbose = checked_choice(verbose, "verbose", (0, 1))
        self.epochs: list[dict[str, Any]] = []
        self._processes = Processes()
        self._sequence: EpochDataset | None = None
        self._data: _DataOfFit | None = None
        self._deliveries = Deliveries()
        self._meter: WaitingMeter | None = None
        self._probe: GilProbe | None = None
        self._stages = StageSeconds()
        self._begin = 0.0
        self._begun_steps = 0
        self._left_over: list[tuple[float, int]] = []
        self._is_compiling = False
        self._pending = ""
        self._printed: set[str] = set()

    def __repr__(self) -> str:
        place = "" if self.directory is None else repr(str(self.directory))
        return f"{type(self).__name__}({place})"

    # ---- State, for `ResumeTraining`

    def state_dict(self) -> dict[str, Any]:
        """Returns the record so far, as plain values."""
        return {"version": _STATE_VERSION, "epochs": self.epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues the record of a training that was resumed.

        Args:
            state: the result of `state_dict()`.

        Raises:
            ValueError: if the state has a different version.
        """
        check_version(self, state, _STATE_VERSION)
        self.epochs = list(state["epochs"])

    # ---- Hooks

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Finds the data of `fit`."""
        self._processes = training_processes(self.model)
        self.epochs = []
        self._printed = set()
        self._pending = ""
        self._is_compiling = True
        self._meter = None
        self._left_over = []
        self._stop_probe()
        self._data = _data_of_fit()
        self._sequence = self._data.sequence
        self._deliveries = Deliveries(across_epochs=self._data.across_epochs)
        self._processes.from_first(self._make_directory)
        settings = self._settings()
        if settings.has_transform and settings.workers and not settings.in_processes:
            training = RunningTraining(training_frame(), callback_list())
            self._probe = GilProbe(training.is_running_in_another_thread)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begins to measure."""
        self._print_pending()
        assert self._sequence is not None
        server = self._sequence.server
        server.deliveries = self._deliveries
        self._deliveries.begin()
        self._stages = server.prefetcher.loader.times.total
        self._begin = time.monotonic()
        self._begun_steps = 0
        self._meter = WaitingMeter(self._begin, threading.get_ident(), self._left_over)
        if self._probe is not None:
            self._probe.forget()

    # Keras runs the hooks of batches while the device computes the next steps, unless a callback
    # defines one for the end of a batch: it would wait for the device in every step.
    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Synchronizes the device from time to time. A call takes 1 us of CPU time."""
        meter = self._meter
        if meter is None:
            return
        meter.begin_call(batch, time.monotonic())
        # The step in which the model is compiled takes longer than the others.
        is_compiled = self._is_compiling and batch > 0
        if batch > meter.steps and (is_compiled or meter.is_due(time.monotonic())):
            self._is_compiling = False
            self._close(batch)
        self._begun_steps = batch + self._steps_per_call

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Ends the measurement of the epoch: validation is not part of it."""
        self._end_epoch()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes `input_wait` into the logs, and the record of the epoch into the directory."""
        self._end_epoch()
        settings = self._settings()
        record = {"epoch": epoch, **self._record}
        held = self._probe is not None and self._probe.is_held
        limit = record["limit"] = find_limit(record, settings, gil_is_held=held)
        text = advice(record, settings, limit, gil_is_held=held)
        record, text = longest_waiting(self._processes, record, text)
        if logs is not None:
            logs["input_wait"] = float("nan") if record["wait"] is None else record["wait"]
        record["logs"] = _scores(logs or {})
        self.epochs.append(record)
        if advice_kind(text) not in self._printed:
            self._printed.add(advice_kind(text))
            size = self._processes.size
            place = f", process {record['process']} of {size}" if size > 1 else ""
            self._pending = f"InputReport, epoch {epoch + 1}{place}: {text}"
        self._processes.from_first(self._write)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Stops measuring."""
        self._print_pending()
        self._stop_probe()
        if self._sequence is not None:
            self._sequence.server.deliveries = None
        self._sequence = self._data = self._meter = None

    # ---- Measuring

    def _stop_probe(self) -> None:
        if self._probe is not None:
            self._probe.stop()
            self._probe = None

    @property
    def _steps_per_call(self) -> int:
        return int(getattr(self.model, "steps_per_execution", 1) or 1)

    def _close(self, steps: int, without_data: int = 0) -> None:
        assert self._meter is not None
        wait_for_device(self.model)
        deliveries, now = self._deliveries.take(), time.monotonic()
        self._meter.close(steps, deliveries, now, without_data=without_data)

    def _end_epoch(self) -> None:
        meter, sequence = self._meter, self._sequence
        if meter is None or sequence is None:
            return
        # The last call may have trained on fewer batches than the others.
        steps = self._begun_steps
        length = self.params.get("steps")
        if length is not None:
            steps = min(steps, int(length))
        if steps > meter.steps:
            # A resumed epoch ends by running out of data, in a call that trains on nothing.
            self._close(steps, without_data=self._steps_per_call)
        self._meter = None
        self._left_over = meter.left_over if self._deliveries.across_epochs else []
        is_known = meter.is_complete and self._data is not None and not self._data.change
        seconds = time.monotonic() - self._begin
        stages = sequence.server.prefetcher.loader.times.total - self._stages
        self._record: dict[str, Any] = {
            "seconds": seconds,
            "wait": min(1.0, meter.waiting / seconds) if is_known else None,
            "first_batch": meter.first,
            "batches": meter.steps,
            "rows": meter.rows,
            "samples_per_second": meter.rows / seconds,
            "bytes_per_second": stages.read_bytes / seconds,
            "read": stages.read,
            "decode": stages.decode,
            "transform": stages.transform,
            "transform_cpu": stages.transform_cpu,
            "conversion": meter.conversion,
            "read_bytes": stages.read_bytes,
            "peak_memory": _peak_memory(),
        }

    def _settings(self) -> InputSettings:
        assert self._sequence is not None
        server = self._sequence.server
        places = [config.index.directory for config in server.config.parts]
        remote = [place for place in places if not isinstance(place, Path)]
        return InputSettings(
            workers=server.workers,
            in_processes=bool(server.use_processes and server.config.transform is not None),
            has_transform=any(
                config.transform is not None for config in (server.config, *server.config.parts)
            ),
            threads=loading_threads(server.prefetcher.loader, server.workers),
            cores=usable_cores(),
            is_remote=bool(remote),
            has_cache=bool(remote) and all(cache_of(place) is not None for place in remote),
            has_fast_jpeg=importlib.util.find_spec("simplejpeg") is not None,
            change=None if self._data is None else self._data.change,
        )

    # ---- Output

    def _print_pending(self) -> None:
        # Not in `on_epoch_end`, where the progress bar of the epoch has not ended its line yet.
        if self._pending and self.verbose and self._processes.is_first:
            print(self._pending, flush=True)
        self._pending = ""

    def _make_directory(self) -> None:
        if isinstance(self.directory, Path):
            self.directory.mkdir(parents=True, exist_ok=True)

    def _write(self) -> None:
        assert self._sequence is not None
        if self.directory is not None:
            write_run(self.directory, run_document(self.model, self._sequence, self.epochs))


@dataclass(frozen=True, slots=True)
class _DataOfFit:
    """What `fit` trains on.

    Attributes:
        sequence: the sequence.
        change: the transformation after `as_dataset()` that hides the waiting, or `None`.
        across_epochs: whether an epoch may use batches that were delivered before it began.
    """

    sequence: EpochDataset
    change: str | None = None
    across_epochs: bool = False


def _data_of_fit() -> _DataOfFit:
    received = fit_input()
    if received is not None:
        across_epochs = received.steps_per_epoch is not None
        if isinstance(received.dataset, EpochDataset):
            return _DataOfFit(received.dataset, across_epochs=across_epochs)
        dataset = received.tf_dataset
        origin = None if dataset is None else dataset_origin(dataset)
        if origin is not None:
            change = origin.change or origin.computation
            return _DataOfFit(origin.sequence, change, across_epochs)
    raise ValueError(
        "InputReport measures a ShardSequence or a Mixture, or the as_dataset() of one, and `fit` "
        "received other data, such as arrays, a generator, or a sequence inside another "
        "PyDataset. `legacy.fit_generator` passes a generator too. Pass a sequence to `fit`, or "
        "remove the callback."
    )


def _scores(logs: Mapping[str, Any]) -> dict[str, float | None]:
    """Returns the numbers in the logs, `None` for those that JSON does not have."""
    scores: dict[str, float | None] = {}
    for name, value in logs.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue  # such as a text that another callback has written
        scores[name] = number if math.isfinite(number) else None
    return scores


def _peak_memory() -> int:
    """Returns the largest memory that this process has used, in bytes; 0 where it is unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024
