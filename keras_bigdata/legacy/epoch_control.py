"""The callbacks that end rounds where old Keras did, and validate between them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras

from keras_bigdata.legacy.batch_queue import Feed

Logs = dict[str, Any] | None


class Counter:
    """Follows a feed through the steps that are made of it."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.steps = 0

    def begin(self) -> None:
        """Called when Keras holds no batch of the feed."""
        self.steps = self.feed.given

    def before_step(self, count: int) -> None:
        """Called before a step, which takes `count` batches: those that Keras lacks are made here.

        An error within the step would leave a model on JAX without its variables, and end in
        TensorFlow's own words.

        Raises:
            StopIteration: if there is no batch left, which ends Keras's loop in good order.
            Exception: what the source raised.
        """
        held = self.feed.given - self.steps
        if held < count and not self.feed.fill(count - held) and held == 0:
            raise StopIteration
        self.steps += count

    @property
    def ends_round(self) -> bool:
        """Whether the last batch of the step is the last of its round."""
        return self.feed.ends_round(self.steps - 1)


class Driver(keras.callbacks.Callback):
    """The first callback: batches are made before each step, validation at the end of an epoch.

    Args:
        train: the feed of `fit`.
        test: the feed of `evaluate`, or of the validation.
        predict: the feed of `predict`.
        validate: gives the results of a validation after an epoch, or `None`.
    """

    async_safe = True

    def __init__(
        self,
        *,
        train: Counter | None = None,
        test: Counter | None = None,
        predict: Counter | None = None,
        validate: Callable[[int], dict[str, Any] | None] | None = None,
    ) -> None:
        super().__init__()
        self.train = train
        self.test = test
        self.predict = predict
        self.validate = validate
        self.ended_epoch = False

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        if self.train is not None:
            self.train.before_step(self._batches())

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        if self.test is not None:
            self.test.before_step(self._batches())
            if self.test.ends_round:
                self.model.stop_evaluating = True

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        if self.predict is not None:
            self.predict.before_step(self._batches())
            if self.predict.ends_round:
                self.model.stop_predicting = True

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.ended_epoch:
            self.ended_epoch = False
            self.model.stop_training = False
        results = None if self.validate is None else self.validate(epoch)
        if results and logs is not None:
            logs.update({f"val_{name}": value for name, value in results.items()})

    def _batches(self) -> int:
        return int(getattr(self.model, "steps_per_execution", 1) or 1)


class Closing(keras.callbacks.Callback):
    """The last callback: no epoch is begun for which there is no data.

    Args:
        driver: the first callback.
        last_epoch: the number of the last epoch, from 0.
    """

    def __init__(self, driver: Driver, last_epoch: int) -> None:
        super().__init__()
        self._driver = driver
        self._last_epoch = last_epoch

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None and "learning_rate" in logs:
            logs.setdefault("lr", logs["learning_rate"])  # as Keras 2 logged it
        counter = self._driver.train
        if counter is None or self.model.stop_training or epoch == self._last_epoch:
            return
        if not counter.feed.fill(1):
            self.model.stop_training = True


class ClosingEarly(Closing):
    """The same where an epoch has no fixed number of steps: Keras is told where it ends.

    Keras leaves the loop over the batches when `stop_training` is set. The driver takes that back
    before any callback sees it at the end of the epoch.
    """

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        counter = self._driver.train
        if counter is not None and counter.ends_round and not self.model.stop_training:
            self._driver.ended_epoch = True
            self.model.stop_training = True


def warn_if_ended_early(feed: Feed, what: str, stacklevel: int = 4) -> None:
    """Says that a source had less than was asked for."""
    if feed.ended_early and feed.error is None:
        wanted = "whole passes" if feed.amount is None else f"{feed.amount.count:g}"
        unit = "" if feed.amount is None else f" {feed.amount.unit}"
        warnings.warn(
            f"The generator ended after {feed.given} batches; {what} stopped there. "
            f"`{feed.name}` asks for {wanted}{unit} each time.",
            stacklevel=stacklevel,
        )
