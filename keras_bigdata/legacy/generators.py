"""`fit_generator`, `evaluate_generator` and `predict_generator`, on Keras 3."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_bigdata.legacy.arguments import (
    Amount,
    FitArguments,
    RunArguments,
    fit_arguments,
    run_arguments,
)
from keras_bigdata.legacy.batch_queue import Feed
from keras_bigdata.legacy.batches import Batch, inputs_batch
from keras_bigdata.legacy.class_weights import conversion
from keras_bigdata.legacy.epoch_control import (
    Closing,
    ClosingEarly,
    Counter,
    Driver,
    warn_if_ended_early,
)
from keras_bigdata.legacy.keras_data import Handover
from keras_bigdata.legacy.metric_names import Names
from keras_bigdata.legacy.validation import Validation


def fit_generator(model: Any, *args: Any, **kwargs: Any) -> Any:
    """See `keras_bigdata.legacy.fit_generator`."""
    _check_model(model, "fit_generator")
    asked = fit_arguments(model, args, kwargs)
    users = _as_list(asked.callbacks)
    if asked.initial_epoch >= asked.epochs:
        return _untrained(model, asked, users)
    lock = threading.Lock()
    train = Feed(
        asked.generator,
        conversion(model, asked.class_weight),
        asked.steps,
        asked.epochs - asked.initial_epoch,
        name="steps_per_epoch",
        shuffle=asked.shuffle,
        workers=asked.workers,
        max_queue_size=asked.max_queue_size,
        lock=lock,
    )
    validation: Validation | None = None
    names = Names(users)
    try:
        if _is_given(asked.validation_data):
            validation = Validation(model, asked, train, lock)
            validation.show_arrays(users)
        with _errors_of(train, validation.feed if validation else None):
            handover = Handover(model, train)
            if not train.waiting():
                raise ValueError("The generator gave no batch to train on.")
            driver = Driver(train=Counter(train), validate=validation)
            closing = (Closing if train.is_exact else ClosingEarly)(driver, asked.epochs - 1)
            progress = _progress_bar(asked.verbose, users)
            callbacks = _callback_list(
                model,
                [driver, *progress, names, *users, closing],
                verbose=asked.verbose,
                epochs=asked.epochs,
                steps=train.likely_steps,
                add_history=True,
                **_old_params(asked),
            )
            if validation is not None:
                validation.driver = driver
                validation.callbacks = callbacks
            history = model.fit(
                handover.data(train.all_rounds),
                epochs=asked.epochs,
                initial_epoch=asked.initial_epoch,
                steps_per_epoch=train.most_steps,
                shuffle=False,
                verbose=asked.verbose,
                callbacks=callbacks,
            )
        warn_if_ended_early(train, "training")
        return history
    finally:
        names.restore()
        train.close()
        if validation is not None:
            validation.close()


def evaluate_generator(model: Any, *args: Any, **kwargs: Any) -> Any:
    """See `keras_bigdata.legacy.evaluate_generator`."""
    _check_model(model, "evaluate_generator")
    asked = run_arguments("evaluate_generator", model, args, kwargs)
    with _one_round(model, asked, conversion(model, None)) as (feed, handover):
        driver = Driver(test=Counter(feed))
        results = model.evaluate(
            handover.data(feed.one_round),
            steps=feed.most_steps,
            verbose=asked.verbose,
            callbacks=_run_callbacks(model, driver, feed, asked),
        )
        warn_if_ended_early(feed, "the evaluation")
    return results


def predict_generator(model: Any, *args: Any, **kwargs: Any) -> Any:
    """See `keras_bigdata.legacy.predict_generator`."""
    _check_model(model, "predict_generator")
    asked = run_arguments("predict_generator", model, args, kwargs)
    try:
        inputs = len(model.inputs)
    except (AttributeError, TypeError, ValueError):  # not built, or a class of the user's
        inputs = None
    with _one_round(model, asked, lambda raw: inputs_batch(raw, inputs)) as (feed, handover):
        driver = Driver(predict=Counter(feed))
        results = model.predict(
            handover.data(feed.one_round),
            steps=feed.most_steps,
            verbose=asked.verbose,
            callbacks=_run_callbacks(model, driver, feed, asked),
        )
        warn_if_ended_early(feed, "the prediction")
    if feed.amount is not None and feed.amount.unit == "samples":
        # Keras 1 made exactly so many rows.
        rows = feed.amount.most_batches
        results = keras.tree.map_structure(lambda array: array[:rows], results)
    return results


@contextlib.contextmanager
def _one_round(
    model: Any, asked: RunArguments, convert: Callable[[Any], Batch]
) -> Iterator[tuple[Feed, Handover]]:
    feed = Feed(
        asked.generator,
        convert,
        asked.steps,
        1,
        name="steps",
        shuffle=False,
        workers=asked.workers,
        max_queue_size=asked.max_queue_size,
    )
    try:
        with _errors_of(feed):
            handover = Handover(model, feed)
            if not feed.waiting():
                raise ValueError("The generator gave no batch.")
            yield feed, handover
    finally:
        feed.close()


@contextlib.contextmanager
def _errors_of(*feeds: Feed | None) -> Iterator[None]:
    """An error of a source appears as it was raised, not as what a backend made of it."""
    with warnings.catch_warnings():
        # Said better by `warn_if_ended_early`.
        warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
        try:
            yield
        except Exception as error:
            for feed in feeds:
                if feed is not None and feed.error is not None and feed.error is not error:
                    raise feed.error from None
            raise


def _run_callbacks(model: Any, driver: Driver, feed: Feed, asked: RunArguments) -> Any:
    users = _as_list(asked.callbacks)
    return _callback_list(
        model,
        [driver, *_progress_bar(asked.verbose, users), Names(users), *users],
        verbose=asked.verbose,
        epochs=1,
        steps=feed.likely_steps,
    )


def _progress_bar(verbose: Any, users: list[Any]) -> list[Any]:
    """Before the names are doubled, so that the bar shows each figure once."""
    own = any(isinstance(callback, keras.callbacks.ProgbarLogger) for callback in users)
    if not verbose or own:
        return []
    bar = keras.callbacks.ProgbarLogger()
    bar.async_safe = True  # as the one that Keras adds itself
    return [bar]


def _callback_list(
    model: Any, callbacks: list[Any], *, add_history: bool = False, **params: Any
) -> Any:
    return keras.callbacks.CallbackList(
        callbacks, add_history=add_history, add_progbar=False, model=model, **params
    )


def _old_params(asked: FitArguments) -> dict[str, Any]:
    """What callbacks of old read in `self.params` besides."""
    params: dict[str, Any] = {
        "nb_epoch": asked.epochs,
        "do_validation": _is_given(asked.validation_data),
    }
    if isinstance(asked.steps, Amount) and asked.steps.unit == "samples":
        params["nb_sample"] = params["samples"] = asked.steps.most_batches
    return params


def _untrained(model: Any, asked: FitArguments, users: list[Any]) -> Any:
    """`initial_epoch` is past the end: hooks are called, no batch is asked for."""
    callbacks = _callback_list(
        model, users, add_history=True, verbose=asked.verbose, epochs=asked.epochs, steps=None
    )
    callbacks.on_train_begin()
    callbacks.on_train_end()
    return model.history


def _is_given(validation_data: Any) -> bool:
    """Old Keras asked for its truth, which an empty sequence does not have."""
    if validation_data is None:
        return False
    empty = isinstance(validation_data, (tuple, list, np.ndarray)) and len(validation_data) == 0
    return not empty and validation_data is not False


def _as_list(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def _check_model(model: Any, function: str) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"{function}() needs a keras.Model as its first argument. Received: "
            f"{type(model).__name__}"
        )
