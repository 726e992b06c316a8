"""Resuming a training that was killed, in the middle of an epoch, bit for bit."""

from __future__ import annotations

import copy
import os
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras

from keras_bigdata.arguments import checked_number
from keras_bigdata.callbacks import _callback_states, _model_state, _random_state, _training_state
from keras_bigdata.callbacks._checkpoint_directory import CheckpointDirectory, Pace
from keras_bigdata.callbacks._checkpoint_file import encode
from keras_bigdata.callbacks._interrupt import InterruptGuard, is_pending
from keras_bigdata.callbacks._monitor import say
from keras_bigdata.keras_internals import RanOutSilence, refuse_inexact
from keras_bigdata.loading.sequence import ShardSequence


class ResumeTraining(keras.callbacks.Callback):
    """Goes on with a training that was killed, from where it was in the epoch.

    Run the same script again, after a crash, a kill or Ctrl-C, as often as it takes: it ends with
    the same weights, optimizer, metrics, History, callbacks' states and CSV rows as a run that
    was never killed, bit for bit where the operations are deterministic (on the CPU; see
    `tf.config.experimental.enable_op_determinism` for GPUs). Every sample is trained once per
    epoch. Dropout and augmentation layers go on with the random numbers that were next.

    Checkpoints are written to a directory of their own while training goes on: a copy of all
    variables is taken between two batches, and a thread writes it. The newest two are kept; a file
    appears only when it is whole. What was trained after the newest one is trained again.

    - Once finished, the same script restores the end of the training, History too, and trains
      nothing. With more `epochs` it goes on. A training that stopped early stays stopped.
    - A checkpoint of other data, another order, another model, or another backend is refused. A
      changed `transform`, loss or layer without another variable is not noticed.
    - Saved are callbacks of Keras and of this package, and those with methods `state_dict()`
      and `load_state_dict(state)`; others are named in a warning. CSVLogger's file goes back to
      its saved bytes. TensorBoard's event files keep what was written after the checkpoint, and so
      does the file of BestWeightsEarlyStopping until the same epoch is trained again.
    - Validation at the end of an epoch is not divided: killed there, the batches since the last
      checkpoint are trained again.
    - After Ctrl-C there is a checkpoint of the batch that ended. After another exception it is the
      last one that was due: the state within a failed step is not one to go on from.
    - In the rest of a resumed epoch, callbacks are given batch numbers from 0, and the progress
      bar counts from there.
    - On torch, the global generator is set anew at the start of each epoch, from the seed of the
      sequence.
    - Not saved: TensorFlow's own generators (`tf.random`); those of Keras, NumPy, torch and Python
      are.

    Args:
        directory: where checkpoints are kept; made if it is missing. One training a directory.
        sequence: the `ShardSequence` that is given to `fit`, with `shuffle=False`.
        every: seconds between checkpoints, at least; 0 for one at each batch, as far as they can be
            written. With `None`, as often as taking and writing them costs 1% of the time,
            and no more often than every 10 seconds. Defaults to `None`.

    Raises:
        TypeError: if an argument has a wrong type.
        ValueError: if an argument has a wrong value, or BackupAndRestore is among the callbacks;
            while training: if the checkpoint belongs to another training, or `fit` was given
            `shuffle=True`, `steps_per_epoch` or another sequence.
        RuntimeError: while training: if another process trains with the directory.
        OSError: while training: if nothing can be written there. A disk that is full later is a
            warning: the last checkpoint stays, and the next one is tried.

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
        sequence: ShardSequence,
        *,
        every: float | None = None,
    ) -> None:
        super().__init__()
        if "://" in str(directory):
            raise ValueError(f"`directory` must be local. Received: directory={str(directory)!r}")
        self.directory = Path(directory)
        if self.directory.exists() and not self.directory.is_dir():
            raise ValueError(f"`directory` is a file. Received: directory={str(directory)!r}")
        if not isinstance(sequence, ShardSequence):
            raise TypeError(
                "`sequence` must be the ShardSequence that is given to `fit`. "
                f"Received: sequence of type {type(sequence).__name__}"
            )
        if every is not None:
            every = checked_number(every, "every", minimum=0)
        self.sequence = sequence
        self.every = every
        self._siblings: list[Any] | None = None
        self._files = CheckpointDirectory(Path(os.path.realpath(self.directory)))
        self._guard = InterruptGuard(lambda: None)
        self._silence = RanOutSilence()
        self._reset()

    def _reset(self) -> None:
        # The checkpoint that is not restored yet.
        self._found: dict[str, Any] | None = None
        self._former_initial_epoch: int | None = None
        self._epoch = 0
        self._sequence_epoch = 0
        # Where the epoch under way was resumed.
        self._start = 0
        # Before the first step there are variables that do not exist yet.
        self._stepped = False
        self._at_phantom: dict[str, Any] | None = None
        self._pace = Pace(self.every)
        self._checked = False

    def __deepcopy__(self, memo: dict[int, Any]) -> ResumeTraining:
        twin = copy.copy(self)
        memo[id(self)] = twin
        twin._siblings = copy.deepcopy(self._siblings, memo)
        twin._files = CheckpointDirectory(self._files.path)
        twin._guard = InterruptGuard(lambda: None)
        twin._silence = RanOutSilence()
        return twin

    def around(self, callbacks: Iterable[Any] | Any = ()) -> list[Any]:
        """The list for `fit`: this callback, then those that are saved with it.

        Args:
            callbacks: all callbacks of the training, in their order. Defaults to `()`.

        Returns:
            A list with this callback first.
        """
        siblings = keras.tree.flatten(callbacks if callbacks is not None else [])
        for callback in siblings:
            if isinstance(callback, (keras.callbacks.BackupAndRestore, ResumeTraining)):
                raise ValueError(
                    f"{type(callback).__name__} would restore the training a second time. Leave "
                    "it out of `around(...)`."
                )
        unknown = _callback_states.unknown(siblings)
        if unknown:
            warnings.warn(
                f"ResumeTraining does not know the state of {', '.join(unknown)}: a resumed "
                "training begins with them anew. Methods `state_dict()` and "
                "`load_state_dict(state)` of plain values let it be saved.",
                stacklevel=2,
            )
        self._siblings = siblings
        return [self, *siblings]

    # ---- What Keras calls, before the same hook of any sibling

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._siblings is None:
            raise ValueError("Pass `callbacks=resume.around([...])` to `fit`, with all callbacks.")
        self._reset()
        refuse_inexact(self.sequence)
        self._files.open()
        found = self._files.newest()
        if found is not None:
            self._refuse(_training_state.other_data(found, self.sequence))
            self._go_to(found)
        self._guard.start()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._start = epoch, 0
        found = self._found
        if found is not None:
            self._model._initial_epoch = self._former_initial_epoch
            position = found["position"]
            if epoch != position["epoch"]:
                raise ValueError(
                    f"{self.directory} holds a checkpoint of epoch {position['epoch']}, and `fit` "
                    f"begins with epoch {epoch}. Pass the same `initial_epoch` as before."
                )
            self.sequence.load_state_dict(found["sequence"])
            if position["ended"]:
                # The others' `on_epoch_begin` has not been called in it; Keras has reset metrics.
                self._restore(found)
                self._model.reset_metrics()
            else:
                self._start = position["batch"]
                if self._start:
                    self._silence.begin()
        self._sequence_epoch = self.sequence.epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        position = self._start + batch
        if position == 0:
            _random_state.begin_epoch(self.sequence.seed, self._sequence_epoch)
        if self._found is not None:
            # Earlier, the others' `on_epoch_begin` and Keras would undo it.
            self._restore(self._found)
        elif position >= len(self.sequence):
            # Keras finds the data at its end within the step, and TensorFlow has advanced by then
            # what does not depend on data: seeds, and the optimizer's count.
            self._at_phantom = copy.deepcopy(_training_state.values(self.model))
            return
        elif self._stepped and (self._is_due() or is_pending()):
            self._save({"epoch": self._epoch, "batch": position, "ended": False, "stopped": False})
            if is_pending():
                self._files.wait()
        self._stepped = True
        self._guard.check()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._undo_phantom()

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._guard.check()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._undo_phantom()
        self._silence.end()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._guard.stop()
        try:
            if self._found is not None:
                self._model._initial_epoch = self._former_initial_epoch
                self.sequence.load_state_dict(self._found["sequence"])
                self._restore(self._found)
            elif self._stepped:
                self._sequence_epoch = self.sequence.epoch
                stopped = bool(self._model.stop_training)
                position = {"epoch": self._epoch + 1, "batch": 0, "ended": True, "stopped": stopped}
                self._save(position)
        finally:
            self._files.close()
        self._tell_error()

    # ---- Saving

    def _is_due(self) -> bool:
        self._tell_error()
        return not self._files.busy and self._pace.is_due(self._files.write_seconds)

    def _save(self, position: dict[str, Any]) -> None:
        self._files.wait()
        # On JAX this brings the variables up to date.
        model = self.model
        _model_state.wait_for_step(model)
        began = time.perf_counter()
        document = _training_state.document(
            model,
            self._siblings or [],
            self.sequence,
            position=position,
            sequence_epoch=self._sequence_epoch,
        )
        self._files.write(encode(document))
        self._pace.done(time.perf_counter() - began)

    def _tell_error(self) -> None:
        if self._files.busy:
            return
        error = self._files.error()
        if error is None:
            self._checked = self._checked or self._pace.begun
            return
        text = f"No checkpoint could be written to {self.directory}: {error}"
        if not self._checked:
            raise OSError(error.errno, text) from error
        warnings.warn(f"{text}. The last one stays.", stacklevel=2)

    # ---- Restoring

    def _refuse(self, difference: str | None) -> None:
        if difference:
            raise ValueError(
                f"{self.directory} holds a checkpoint of another training: {difference}. Pass "
                "another directory, or delete this one to begin anew."
            )

    def _go_to(self, found: dict[str, Any]) -> None:
        """Has `fit` begin with the epoch of the checkpoint."""
        position, epochs = found["position"], self.params["epochs"]
        epoch = position["epoch"]
        if not position["ended"] and epoch >= epochs:
            raise ValueError(
                f"{self.directory} holds a checkpoint of a training that was killed in epoch "
                f"{epoch + 1}. Pass at least that many `epochs`. Received: epochs={epochs}"
            )
        self._found = found
        self._former_initial_epoch = self._model._initial_epoch
        self._model._initial_epoch = max(epoch, epochs) if position["stopped"] else epoch
        if self.params.get("verbose"):
            if position["stopped"] or epoch >= epochs:
                say(self, f"The training of {self.directory} is finished after {epoch} epochs")
            else:
                say(
                    self,
                    f"Going on with the checkpoint of {self.directory}, in epoch {epoch + 1} after "
                    f"{position['batch']} of {len(self.sequence)} batches",
                )

    def _restore(self, found: dict[str, Any]) -> None:
        model = self.model
        self._refuse(_training_state.other_model(found, model, self.sequence))
        _training_state.restore(found, model, self._siblings or [])
        self._found = None
        self._stepped = True
        self._pace.done()

    def _undo_phantom(self) -> None:
        if self._at_phantom is not None:
            _training_state.restore_values(self._at_phantom, self.model)
            self._at_phantom = None
