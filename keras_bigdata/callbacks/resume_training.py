"""Resuming a training that was killed, in the middle of an epoch, bit for bit."""

from __future__ import annotations

import copy
import os
import time
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import keras

from keras_bigdata.arguments import checked_choice, checked_number
from keras_bigdata.callbacks.resuming import training_state
from keras_bigdata.callbacks.resuming.checkpoint_owner import TakenOverError
from keras_bigdata.callbacks.resuming.checkpoint_schedule import CheckpointSchedule
from keras_bigdata.callbacks.resuming.checkpoint_url import checkpoints_in
from keras_bigdata.callbacks.resuming.resumable_fit import ResumableFit, check_fit
from keras_bigdata.callbacks.resuming.shared_checkpoints import SharedCheckpoints
from keras_bigdata.callbacks.resuming.short_epoch import ShortEpoch
from keras_bigdata.callbacks.resuming.trained_copies import TrainedCopies
from keras_bigdata.callbacks.resuming.training_settings import (
    changed_settings,
    describe_changes,
    first_settings,
    read_settings,
    remember_settings,
)
from keras_bigdata.callbacks.shared import callback_states
from keras_bigdata.callbacks.shared.keyboard_interrupt import (
    DeferredKeyboardInterrupt,
    is_interrupt_pending,
)
from keras_bigdata.callbacks.shared.monitor import print_below_progress
from keras_bigdata.callbacks.shared.training_processes import training_processes
from keras_bigdata.keras_internals.callbacks import set_initial_epoch
from keras_bigdata.keras_internals.processes import Processes
from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset
from keras_bigdata.storage.writing.writable import output_place


class ResumeTraining(keras.callbacks.Callback):
    """Continues a training that was killed, from the batch that it had reached.

    Run the same script again, after a crash, a kill or Ctrl-C, as often as necessary: it ends with
    the same weights, optimizer, metrics, History, callbacks' states and CSV rows as a run that
    was never killed, bit for bit where the operations are deterministic (on the CPU; see
    `tf.config.experimental.enable_op_determinism` for GPUs). Every sample is trained once per
    epoch. Dropout and augmentation layers continue with the next random numbers.

    Checkpoints are written to a separate directory while training goes on: all variables are
    copied between two batches, and a thread writes the copy. The newest two are kept; a file
    appears only when it is complete. Batches after the newest checkpoint are trained again.

    - After the training has ended, the same script restores its final state, including History, and
      trains nothing. With more `epochs` it continues. A training that stopped early stays stopped.
    - A checkpoint of other data, another order, another model, or another backend is refused, and
      one of another optimizer, learning rate or loss, unless `on_change="use_new"`. A change inside
      a `transform`, a custom loss or a layer that does not change any variable is not detected.
      Only one of its copies may train: create one for each trial of a tuner.
    - The states of Keras's callbacks, of this package's, and of those with methods `state_dict()`
      and `load_state_dict(state)` are saved; a warning names all others. The file of CSVLogger is
      restored byte by byte. TensorBoard's event files keep what was written after the checkpoint,
      and so does the file of BestWeightsEarlyStopping until the same epoch is trained again.
    - Validation at the end of an epoch is not divided: after a kill there, the batches since the
      last checkpoint are trained again. The epoch of a sequence that is `validation_data` is saved.
    - Ctrl-C writes a checkpoint at the end of the running batch. After another exception the
      newest checkpoint is the last one that was due.
    - In the rest of a resumed epoch, callbacks and the progress bar count batches from 0.
    - Behind a URL (`s3://`, `gs://`, `az://`, `memory://`) a checkpoint is uploaded in one piece.
      A training that begins on another machine takes the checkpoints over: a former one that still
      runs ends with an error before its next checkpoint.
    - On torch, the seed of the sequence sets the global generator at the start of each epoch.
    - If several processes train the model together, the first one writes and reads the checkpoints
      for all. Any number of processes may continue. Ctrl-C is raised at once there.
    - TensorFlow's own generators (`tf.random`) are not saved, nor is the state of a function that
      is mapped over `as_dataset()`; those of Keras, NumPy, torch and Python are.

    Args:
        directory: path or URL of the directory for the checkpoints of this one training.
        sequence: the `ShardSequence` or `Mixture` that is passed to `fit`, with `shuffle=False`, or
            whose `as_dataset()` is passed. `map` and `prefetch` may follow that; other
            transformations are refused.
        every: minimum number of seconds between checkpoints; 0 for one at each batch, as far as
            they can be written. Defaults to `None`: 1% of the time, at most one in 10 seconds.
        on_change: what to do if the model is compiled with other settings of the optimizer or the
            loss than when the training began. `"refuse"`: an error with both values.
            `"use_new"`: continue with the new ones; an optimizer of another class starts again.
            What a scheduler changes while training is restored. Defaults to `"refuse"`.
        storage_options: options of the driver of a URL; they are not stored. Defaults to `None`.

    Raises:
        TypeError: if an argument has a wrong type.
        ValueError: if an argument has a wrong value, or BackupAndRestore is among the callbacks;
            while training: if the checkpoint belongs to another training or one with other
            settings, or if `fit` received `shuffle=True`, `steps_per_epoch`, another sequence or a
            dataset whose batches are not those of the sequence, one to one.
        RuntimeError: while training: if another process or thread trains with the directory.
        OSError, StorageError: while training: if nothing can be written there. If that fails later,
            a warning is issued, the last checkpoint is kept, and the next one is tried.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_bigdata import Arrays, ResumeTraining, ShardSequence, pack

    keras.utils.set_random_seed(1)
    pack(Arrays(x=np.random.rand(100, 4), labels=np.random.randint(0, 3, 100)), "numbers")
    model = keras.Sequential([keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    train = ShardSequence("numbers", batch_size=20)
    resume = ResumeTraining("checkpoints", train)
    callbacks = resume.around([keras.callbacks.CSVLogger("log.csv")])
    model.fit(train, epochs=5, shuffle=False, callbacks=callbacks)
    ```
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        sequence: EpochDataset,
        *,
        every: float | None = None,
        on_change: Literal["refuse", "use_new"] = "refuse",
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.directory = output_place(directory, "directory", storage_options)
        self._files = checkpoints_in(self.directory)
        if not isinstance(sequence, EpochDataset):
            raise TypeError(
                "`sequence` must be the ShardSequence that is passed to `fit`, or the Mixture. "
                f"Received: sequence of type {type(sequence).__name__}"
            )
        if every is not None:
            every = checked_number(every, "every", minimum=0)
        self.on_change = checked_choice(on_change, "on_change", ("refuse", "use_new"))
        self.sequence = sequence
        self.every = every
        self._callbacks: list[Any] | None = None  # those that are saved with the training
        self._interrupt = DeferredKeyboardInterrupt(lambda: None)
        self._short_epoch = ShortEpoch()
        self._copies = TrainedCopies()
        self._reset()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.directory)!r}, every={self.every})"

    def _reset(self) -> None:
        # The checkpoint that is not restored yet.
        self._checkpoint: dict[str, Any] | None = None
        # The settings with which the training began, and those that are not from the checkpoint.
        self._settings: dict[str, Any] = {}
        self._new_settings: dict[str, Any] = {}
        self._former_initial_epoch: int | None = None
        self._epoch = 0
        self._sequence_epoch = 0
        # The batch at which this epoch was resumed, and the batch after the last trained one.
        self._start = self._trained = 0
        self._data = ResumableFit(self.sequence)
        self._shared = SharedCheckpoints(self._files, Processes())
        self._has_stepped = False  # some variables do not exist before the first step
        self._schedule = CheckpointSchedule(self.every)

    def __deepcopy__(self, memo: dict[int, Any]) -> ResumeTraining:
        copied = copy.copy(self)
        memo[id(self)] = copied
        copied._callbacks = copy.deepcopy(self._callbacks, memo)
        copied._files = type(self._files)(self._files.path)
        copied._interrupt = DeferredKeyboardInterrupt(lambda: None)
        copied._short_epoch = ShortEpoch()
        return copied

    def around(self, callbacks: Iterable[Any] | Any = ()) -> list[Any]:
        """Returns the callbacks for `fit`: this one, then those that are saved with it.

        Args:
            callbacks: all callbacks of the training, in their order. Defaults to `()`.

        Returns:
            A list with this callback first.

        Raises:
            ValueError: if BackupAndRestore or another ResumeTraining is among them.
        """
        callbacks = keras.tree.flatten(callbacks if callbacks is not None else [])
        for callback in callbacks:
            if isinstance(callback, (keras.callbacks.BackupAndRestore, ResumeTraining)):
                raise ValueError(
                    f"{type(callback).__name__} would restore the training a second time. Leave "
                    "it out of `around(...)`."
                )
        unknown = callback_states.unknown_classes(callbacks)
        if unknown:
            warnings.warn(
                f"ResumeTraining cannot save the state of {', '.join(unknown)}: in a resumed "
                "training they start again. To save their state, add methods `state_dict()` and "
                "`load_state_dict(state)` that use plain values.",
                stacklevel=2,
            )
        self._callbacks = callbacks
        return [self, *callbacks]

    # ---- Hooks, which Keras calls before the same hook of the other callbacks

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Checks `fit` and the newest checkpoint, and lets `fit` begin with its epoch."""
        if self._callbacks is None:
            raise ValueError(
                "ResumeTraining was passed to `fit` without `around`, so it does not know the "
                "other callbacks. Pass `callbacks=resume.around([...])`, with all callbacks."
            )
        self._copies.check_only_one(self)
        self._reset()
        self._data = check_fit(self.sequence)
        self._shared = SharedCheckpoints(self._files, training_processes(self.model))
        self._shared.open()
        self._settings = read_settings(self.model)
        checkpoint = self._shared.read_newest()
        if checkpoint is not None:
            training_state.check_version(checkpoint, self.directory)
            self._refuse(training_state.data_difference(checkpoint, self.sequence))
            self._compare_settings(checkpoint)
            self._start_from(checkpoint)
        if self._shared.processes.size == 1:
            self._interrupt.start()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Sets the sequence to the batch of the checkpoint."""
        self._epoch, self._start = epoch, 0
        checkpoint = self._checkpoint
        if checkpoint is not None:
            set_initial_epoch(self.model, self._former_initial_epoch)
            position = checkpoint["position"]
            if epoch != position["epoch"]:
                raise ValueError(
                    f"{self.directory} holds a checkpoint of epoch {position['epoch']}, and `fit` "
                    f"begins with epoch {epoch}. Pass the same `initial_epoch` as before, or "
                    f"initial_epoch={position['epoch']}."
                )
            self._data.seek(checkpoint)
            if position["ended"]:
                # It was taken before `on_epoch_begin` of the other callbacks, and Keras has reset
                # the metrics of this epoch already.
                self._restore(checkpoint)
                self.model.reset_metrics()
            else:
                self._start = position["batch"]
                if self._start:
                    self._short_epoch.begin()
        self._sequence_epoch = self.sequence.epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Restores the checkpoint before the first step, and saves one that is due."""
        position = self._start + batch
        if position == 0:
            training_state.seed_epoch(self.sequence.seed, self._sequence_epoch)
        if self._checkpoint is not None:
            # Not earlier: Keras and `on_epoch_begin` of the other callbacks would change it.
            self._restore(self._checkpoint)
        elif position >= len(self.sequence):
            self._short_epoch.begin_phantom_step(self.model)
            return
        elif self._has_stepped and (self._shared.is_due(self._is_due) or is_interrupt_pending()):
            self._save({"epoch": self._epoch, "batch": position, "ended": False, "stopped": False})
            if is_interrupt_pending():
                self._files.wait()
        self._has_stepped = True
        if batch == 0:
            remember_settings(self.model)
        self._interrupt.raise_if_pending()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Ends a short epoch after its last batch."""
        self._trained = self._start + batch + 1
        if self._start and self._trained >= len(self.sequence) and self._data.can_end_epoch:
            self._short_epoch.stop(self.model)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Completes a short epoch, before a validation."""
        self._short_epoch.complete(self.model, self._data)

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Ends the training if Ctrl-C was pressed."""
        self._interrupt.raise_if_pending()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Completes a short epoch."""
        self._short_epoch.complete(self.model, self._data)
        self._short_epoch.end()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Saves the final state of the training, or restores it if there was nothing to train."""
        self._interrupt.stop()
        try:
            if self._checkpoint is not None:
                set_initial_epoch(self.model, self._former_initial_epoch)
                self._data.seek(self._checkpoint)
                self._restore(self._checkpoint)
            elif self._has_stepped:
                self._end_epoch()
                stopped = bool(self.model.stop_training)
                position = {"epoch": self._epoch + 1, "batch": 0, "ended": True, "stopped": stopped}
                self._save(position)
        finally:
            self._shared.close()
        self._shared.processes.from_first(self._report_error)

    def _end_epoch(self) -> None:
        """Sets the epoch that is served next, after the last one of this training."""
        if self._data.reads_ahead:
            # Its last batch may have been requested in an epoch that was stopped before.
            is_whole = self._trained >= len(self.sequence)
            self.sequence.epoch = self._sequence_epoch + is_whole
        self._sequence_epoch = self.sequence.epoch

    # ---- Saving

    def _is_due(self) -> bool:
        self._report_error()
        return not self._files.is_writing and self._schedule.is_due(self._files.write_seconds)

    def _save(self, position: dict[str, Any]) -> None:
        self._files.wait()
        # On JAX, reading `self.model` brings the variables up to date.
        model = self.model
        training_state.wait_for_step(model)
        start = time.perf_counter()
        document = training_state.read_training(
            model,
            self._callbacks or [],
            self.sequence,
            position=position,
            sequence_epoch=self._sequence_epoch,
            validation=self._data.validation,
            settings=self._settings,
        )
        self._shared.write(document)
        self._schedule.restart(time.perf_counter() - start)

    def _report_error(self) -> None:
        """Raises the error of the first write, and warns about the error of a later write."""
        if self._files.is_writing:
            return
        error = self._files.pop_error()
        if error is None:
            return
        if not self._files.has_written or isinstance(error, TakenOverError):
            raise error
        warnings.warn(f"{error.args[-1]}. The last checkpoint is kept.", stacklevel=2)

    # ---- Restoring

    def _refuse(self, difference: str | None) -> None:
        if difference:
            raise ValueError(
                f"{self.directory} holds a checkpoint of another training: {difference}. Pass "
                "another directory, or delete this one to start the training again."
            )

    def _compare_settings(self, checkpoint: dict[str, Any]) -> None:
        changed = changed_settings(checkpoint, self.model)
        if changed and self.on_change == "refuse":
            raise ValueError(
                f"{self.directory} holds a checkpoint of a training with other settings: "
                f"{describe_changes(changed)}. Pass another directory to start another training "
                'with these settings, or on_change="use_new" to continue this one with them.'
            )
        self._settings = first_settings(checkpoint, self._settings, changed)
        self._new_settings = changed
        if changed and self.params.get("verbose"):
            print_below_progress(self, f"New settings: {describe_changes(changed)}")

    def _start_from(self, checkpoint: dict[str, Any]) -> None:
        """Lets `fit` begin with the epoch of the checkpoint."""
        position, epochs = checkpoint["position"], self.params["epochs"]
        epoch = position["epoch"]
        if not position["ended"] and epoch >= epochs:
            raise ValueError(
                f"{self.directory} holds a checkpoint of a training that was killed in epoch "
                f"{epoch + 1}. Pass at least that many `epochs`. Received: epochs={epochs}"
            )
        self._checkpoint = checkpoint
        first_epoch = max(epoch, epochs) if position["stopped"] else epoch
        self._former_initial_epoch = set_initial_epoch(self.model, first_epoch)
        if self.params.get("verbose"):
            text = training_state.describe_position(position, epochs, len(self.sequence))
            print_below_progress(self, text.format(directory=self.directory))

    def _restore(self, checkpoint: dict[str, Any]) -> None:
        model, new, data = self.model, self._new_settings, self._data
        self._refuse(training_state.model_difference(checkpoint, model, data.example, new))
        training_state.restore_training(checkpoint, model, self._callbacks or [], new)
        self._checkpoint = None
        self._has_stepped = True
        self._schedule.restart()
