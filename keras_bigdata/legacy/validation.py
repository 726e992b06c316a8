"""Validation at the end of an epoch, from arrays or from a source that goes on where it stopped."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np

from keras_bigdata.callbacks._validation_data import ArrayBatches
from keras_bigdata.legacy.arguments import FitArguments
from keras_bigdata.legacy.batch_queue import Feed
from keras_bigdata.legacy.batch_stream import is_source
from keras_bigdata.legacy.batches import rows_of
from keras_bigdata.legacy.class_weights import conversion
from keras_bigdata.legacy.epoch_control import Counter, Driver
from keras_bigdata.legacy.keras_data import Handover


class Validation:
    """Evaluates after the epochs that `validation_freq` chooses.

    Args:
        model: the model.
        asked: the arguments of `fit_generator`.
        train: the feed of the training; arrays are validated in batches as large as its first.
        lock: held while the training source is advanced, for a source that is both.

    Raises:
        TypeError: if `validation_data` is neither arrays nor a source of batches.
        ValueError: if there is no saying how much of a source a validation takes.
    """

    def __init__(self, model: Any, asked: FitArguments, train: Feed, lock: threading.Lock) -> None:
        self._model = model
        self._due = asked.validation_freq
        self._train = train
        self._arrays: tuple[Any, ...] | None = None
        self._batches: ArrayBatches | None = None
        self._handover: Handover | None = None
        self.feed: Feed | None = None
        self.driver: Driver | None = None
        self.callbacks: Any = None
        data = asked.validation_data
        if isinstance(data, (tuple, list)) and len(data) in (2, 3) and not _are_batches(data):
            self._arrays = tuple(data)
            return
        if not is_source(data):
            raise TypeError(
                "`validation_data` must be (x, y), (x, y, sample_weight) or a source of batches. "
                f"Received: {type(data).__name__}"
            )
        times = sum(map(self._due, range(asked.initial_epoch, asked.epochs)))
        self.feed = Feed(
            data,
            conversion(model, None),
            asked.validation_steps,
            times,
            name="validation_steps",
            shuffle=False,
            workers=asked.workers,
            max_queue_size=asked.max_queue_size,
            lock=lock if data is asked.generator else None,
        )

    def show_arrays(self, callbacks: list[Any]) -> None:
        """Sets `validation_data` of the user's callbacks, as old Keras did for arrays."""
        if self._arrays is None:
            return
        x, y, weight = (*self._arrays, None)[:3]
        flat = [*_as_list(x), *_as_list(y)]
        weights = _as_list(weight) if weight is not None else [_ones(flat)] * len(_as_list(y))
        for callback in callbacks:
            callback.validation_data = [*flat, *weights]

    def __call__(self, epoch: int) -> dict[str, Any] | None:
        """The results after epoch `epoch`, or `None` if it is not validated."""
        if not self._due(epoch):
            return None
        if self._arrays is not None:
            return self._evaluate(self._array_batches(), None)
        feed = self.feed
        assert feed is not None
        if not feed.fill(1):
            warnings.warn(
                f"The validation generator has no batch left after {feed.given}: epoch {epoch + 1} "
                "is not validated.",
                stacklevel=2,
            )
            return None
        if self._handover is None:
            self._handover = Handover(self._model, feed)
            if self.driver is not None:
                self.driver.test = Counter(feed)
        if self.driver is not None and self.driver.test is not None:
            self.driver.test.begin()
        return self._evaluate(self._handover.data(feed.one_round), feed.most_steps)

    def close(self) -> None:
        """Lets go of the source."""
        if self.feed is not None:
            self.feed.close()

    def _evaluate(self, data: Any, steps: int | None) -> dict[str, Any]:
        return dict(
            self._model.evaluate(
                data, steps=steps, verbose=0, return_dict=True, callbacks=self.callbacks
            )
        )

    def _array_batches(self) -> ArrayBatches:
        if self._batches is None:
            assert self._arrays is not None
            x, y, weight = (*self._arrays, None)[:3]
            size = self._train.first_rows or 32
            self._batches = ArrayBatches(_single(x), _single(y), _single(weight), size)
        return self._batches


def _are_batches(data: Any) -> bool:
    """Whether it is a list of batches `(x, y)`, not `x` and `y`."""
    return isinstance(data, list) and all(isinstance(part, tuple) for part in data)


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _single(value: Any) -> Any:
    """One array alone in a list is that array."""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def _ones(arrays: list[Any]) -> np.ndarray:
    return np.ones(rows_of((np.asarray(arrays[0]),)), np.float32)
