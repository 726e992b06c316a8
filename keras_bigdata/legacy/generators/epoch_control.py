"""The callbacks that end epochs where old Keras did, and run the validation between them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras

from keras_bigdata.legacy.generators.batch_queue import BatchQueue

Logs = dict[str, Any] | None


class StepTracker:
    """Tracks the steps in which Keras uses the batches of a queue.

    Args:
        queue: the queue that Keras takes its batches from.
    """

    def __init__(self, queue: BatchQueue) -> None:
        self.queue = queue
        self._num_trained = 0

    def begin(self) -> None:
        """Records that Keras holds no batch that it has not used."""
        self._num_trained = self.queue.num_taken

    def before_step(self, count: int) -> list[int]:
        """Prepares those batches of a step that Keras does not hold yet.

        An error of the source within the step would leave a model on JAX without its variables, and
        appear on TensorFlow as an error of a TensorFlow operation.

        Args:
            count: the number of batches that the step takes.

        Returns:
            The numbers of rows of these batches.

        Raises:
            StopIteration: if there is no batch left. It ends Keras's loop without an error.
            Exception: the exception that the source raised.
        """
        held = self.queue.num_taken - self._num_trained
        if held < count and not self.queue.prepare(count - held) and held == 0:
            raise StopIteration
        numbers = range(self._num_trained, self._num_trained + count)
        self._num_trained += count
        return [self.queue.rows.pop(number) for number in numbers if number in self.queue.rows]

    @property
    def ends_epoch(self) -> bool:
        """Whether the last batch of the current step is the last of its epoch."""
        return self.queue.ends_epoch(self._num_trained - 1)


class EpochControl(keras.callbacks.Callback):
    """Prepares the batches before each step, and validates at the end of an epoch.

    It must be the first callback.

    Args:
        train: the steps of `fit`.
        test: the steps of `evaluate`, or of the validation.
        predict: the steps of `predict`.
        validate: returns the results of the validation after an epoch, or `None`.

    Attributes:
        batch_rows: the rows of the batches of the current epoch of `fit`, by their numbers in it.
    """

    async_safe = True

    def __init__(
        self,
        *,
        train: StepTracker | None = None,
        test: StepTracker | None = None,
        predict: StepTracker | None = None,
        validate: Callable[[int], dict[str, Any] | None] | None = None,
    ) -> None:
        super().__init__()
        self.train = train
        self.test = test
        self.predict = predict
        self.validate = validate
        self.stopped_to_end_epoch = False
        self.batch_rows: dict[int, int] = {}

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Forgets the batches of the former epoch."""
        self.batch_rows.clear()

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Prepares the batches of the step."""
        if self.train is not None:
            rows = self.train.before_step(self._batches_per_step())
            self.batch_rows.update(enumerate(rows, start=batch))

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Prepares the batches of the step, and stops after it at the end of the epoch."""
        if self.test is not None:
            self.test.before_step(self._batches_per_step())
            if self.test.ends_epoch:
                self.model.stop_evaluating = True

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Prepares the batches of the step, and stops after it at the end of the epoch."""
        if self.predict is not None:
            self.predict.before_step(self._batches_per_step())
            if self.predict.ends_epoch:
                self.model.stop_predicting = True

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Adds the results of the validation to the logs."""
        if self.stopped_to_end_epoch:
            self.stopped_to_end_epoch = False
            self.model.stop_training = False
        results = None if self.validate is None else self.validate(epoch)
        if results and logs is not None:
            logs.update({f"val_{name}": value for name, value in results.items()})

    def _batches_per_step(self) -> int:
        return int(getattr(self.model, "steps_per_execution", 1) or 1)


class StopWithoutData(keras.callbacks.Callback):
    """Stops the training after an epoch if there is no batch for the next one.

    It must be the last callback.

    Args:
        control: the first callback.
        last_epoch: the number of the last epoch, from 0.
    """

    def __init__(self, control: EpochControl, last_epoch: int) -> None:
        super().__init__()
        self._control = control
        self._last_epoch = last_epoch

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Stops the training if there is no batch left."""
        steps = self._control.train
        if steps is None or self.model.stop_training or epoch == self._last_epoch:
            return
        if not steps.queue.prepare(1):
            self.model.stop_training = True


class EndVariableEpochs(StopWithoutData):
    """Also ends epochs that have no fixed number of steps.

    Keras leaves its loop over the batches when `stop_training` is set. `EpochControl` resets it
    before any other callback sees it at the end of the epoch.
    """

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Leaves the loop over the batches at the end of the epoch."""
        steps = self._control.train
        if steps is not None and steps.ends_epoch and not self.model.stop_training:
            self._control.stopped_to_end_epoch = True
            self.model.stop_training = True


def warn_if_ended_early(queue: BatchQueue, what: str, stacklevel: int = 3) -> None:
    """Warns if a source ended before it had yielded all batches that are required.

    Args:
        queue: the queue of the source.
        what: the process that stopped at the end of the source, such as "training".
        stacklevel: the number of calls up to the user's. Defaults to `3`.
    """
    if queue.ended_early and queue.error is None:
        length = queue.length
        required = "whole passes" if length is None else f"{length.count:g} {length.unit}"
        warnings.warn(
            f"The generator ended after {queue.num_taken} batches; {what} stopped there. "
            f"`{queue.length_argument}` requires {required} each time.",
            stacklevel=stacklevel,
        )
