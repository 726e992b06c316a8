"""Validation at the end of an epoch, on arrays or on a source that continues where it stopped."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np

from keras_bigdata.callbacks.validation.validation_data import ArrayBatches
from keras_bigdata.legacy.generators.arguments import FitArguments
from keras_bigdata.legacy.generators.batch_arrays import count_rows
from keras_bigdata.legacy.generators.batch_conversion import training_batch_function
from keras_bigdata.legacy.generators.batch_queue import BatchQueue
from keras_bigdata.legacy.generators.batch_stream import is_source
from keras_bigdata.legacy.generators.epoch_control import EpochControl, StepTracker
from keras_bigdata.legacy.generators.keras_data import KerasData


class Validation:
    """Evaluates the model after the epochs that `validation_freq` selects.

    Args:
        model: the model.
        arguments: the arguments of `fit_generator`.
        train_queue: the training batches. Arrays are validated in batches of the size of its first.
        lock: held while the training source is advanced; used if the source also validates.

    Attributes:
        queue: the batches of the validation source, or `None` for arrays.
        control: set by `fit_generator`: the callback that prepares the batches of each step.
        callbacks: set by `fit_generator`: the callbacks that `evaluate` calls.

    Raises:
        TypeError: if `validation_data` is neither arrays nor a source of batches.
        ValueError: if `validation_steps` is required.
    """

    def __init__(
        self, model: Any, arguments: FitArguments, train_queue: BatchQueue, lock: threading.Lock
    ) -> None:
        self._model = model
        self._is_due = arguments.validation_freq
        self._train_queue = train_queue
        self._arrays: tuple[Any, ...] | None = None
        self._array_batches: ArrayBatches | None = None
        self._keras_data: KerasData | None = None
        self.queue: BatchQueue | None = None
        self.control: EpochControl | None = None
        self.callbacks: Any = None
        data = arguments.validation_data
        if isinstance(data, (tuple, list)) and len(data) in (2, 3) and not _is_batch_list(data):
            self._arrays = tuple(data)
            return
        if not is_source(data):
            raise TypeError(
                "`validation_data` must be (x, y), (x, y, sample_weight) or a source of batches. "
                f"Received: {type(data).__name__}"
            )
        validations = sum(map(self._is_due, range(arguments.initial_epoch, arguments.epochs)))
        self.queue = BatchQueue(
            data,
            training_batch_function(model, None),
            arguments.validation_steps,
            validations,
            length_argument="validation_steps",
            shuffle=False,
            workers=arguments.workers,
            max_queue_size=arguments.max_queue_size,
            lock=lock if data is arguments.generator else None,
        )

    def set_callback_data(self, callbacks: list[Any]) -> None:
        """Sets `validation_data` of the user's callbacks, as old Keras did for arrays."""
        if self._arrays is None:
            return
        x, y, sample_weight = (*self._arrays, None)[:3]
        arrays = [*_as_list(x), *_as_list(y)]
        if sample_weight is not None:
            sample_weights = _as_list(sample_weight)
        else:
            rows = count_rows((np.asarray(arrays[0]),))
            sample_weights = [np.ones(rows, np.float32)] * len(_as_list(y))
        for callback in callbacks:
            callback.validation_data = [*arrays, *sample_weights]

    def __call__(self, epoch: int) -> dict[str, Any] | None:
        """Returns the results after an epoch, or `None` if no validation follows it."""
        if not self._is_due(epoch):
            return None
        if self._arrays is not None:
            return self._evaluate(self._batches_of_arrays(), None)
        queue = self.queue
        assert queue is not None
        if not queue.prepare(1):
            warnings.warn(
                f"The validation generator has no batch left after {queue.num_taken}: epoch "
                f"{epoch + 1} is not validated.",
                stacklevel=2,
            )
            return None
        if self._keras_data is None:
            self._keras_data = KerasData(self._model, queue)
            if self.control is not None:
                self.control.test = StepTracker(queue)
        if self.control is not None and self.control.test is not None:
            self.control.test.begin()
        return self._evaluate(self._keras_data.data(queue.take_epoch), queue.max_steps)

    def close(self) -> None:
        """Stops reading the source."""
        if self.queue is not None:
            self.queue.close()

    def _evaluate(self, data: Any, steps: int | None) -> dict[str, Any]:
        return dict(
            self._model.evaluate(
                data, steps=steps, verbose=0, return_dict=True, callbacks=self.callbacks
            )
        )

    def _batches_of_arrays(self) -> ArrayBatches:
        if self._array_batches is None:
            assert self._arrays is not None
            x, y, sample_weight = (*self._arrays, None)[:3]
            size = self._train_queue.first_rows or 32
            self._array_batches = ArrayBatches(
                _unwrap_single(x), _unwrap_single(y), _unwrap_single(sample_weight), size
            )
        return self._array_batches


def _is_batch_list(data: Any) -> bool:
    """Whether data are a list of batches `(x, y)`, not `x` and `y`."""
    return isinstance(data, list) and all(isinstance(part, tuple) for part in data)


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _unwrap_single(value: Any) -> Any:
    """Returns the array of a list or tuple that holds only one."""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
