"""`fit_generator`, `evaluate_generator` and `predict_generator`, on Keras 3."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_bigdata.legacy.generators.arguments import (
    EvaluateArguments,
    FitArguments,
    parse_evaluate_arguments,
    parse_fit_arguments,
)
from keras_bigdata.legacy.generators.batch_arrays import Batch
from keras_bigdata.legacy.generators.batch_conversion import (
    prediction_batch,
    training_batch_function,
)
from keras_bigdata.legacy.generators.batch_queue import BatchQueue
from keras_bigdata.legacy.generators.callback_lists import as_list, callback_list, progress_bar
from keras_bigdata.legacy.generators.epoch_control import (
    EndVariableEpochs,
    EpochControl,
    StepTracker,
    StopWithoutData,
    warn_if_ended_early,
)
from keras_bigdata.legacy.generators.keras_data import KerasData
from keras_bigdata.legacy.generators.resumable_training import (
    fit_resumable,
    has_resume_training,
)
from keras_bigdata.legacy.generators.source_callbacks import begin_training
from keras_bigdata.legacy.generators.validation import Validation
from keras_bigdata.legacy.metric_names import MetricAliases
from keras_bigdata.legacy.models.metric_order import in_old_order
from keras_bigdata.legacy.training.batch_logs import with_batch_logs
from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset


def fit_generator(model: Any, *args: Any, **kwargs: Any) -> Any:
    """Trains on batches from a generator, as `Model.fit_generator` of Keras 1 and 2 did.

    `generator` may be any source of batches: a generator, an iterator (`zip`, an object with a lock
    and `__next__`, an iterator of `ImageDataGenerator`), an iterable (a `tf.data.Dataset`, a
    `DataLoader`, a list of batches) or a `keras.utils.Sequence`, whether or not its constructor
    calls `super().__init__`. A batch is `(x, y)` or `(x, y, sample_weight)`, a tuple or a list;
    several inputs or outputs are a list, a tuple or a dict. `x` and `y` have shapes `(rows, ...)`,
    and `sample_weight` has shape `(rows,)` or, for time steps, `(rows, steps)`. Arrays are copied
    as soon as they are read, so a generator may refill its arrays.

    Epochs follow one another without a gap: no batch is lost or repeated between them, and exactly
    `steps_per_epoch * epochs` batches are read from an iterator. A validation source continues
    where the last validation stopped. If training is stopped early, the batches that wait in the
    queue are lost, as they were in Keras 2.

    If the source raises an error, the training ends with that error and its traceback. If it ends
    early, the training ends after its last batch, with a warning. A source that can be read more
    than once is read again from its beginning.

    Args:
        model: a compiled `keras.Model`.
        generator: the source of batches.
        steps_per_epoch: the number of batches of an epoch; a float is rounded up, as in Keras 2.
            Optional for a `Sequence` and for sources that can be read more than once: an epoch is
            one pass. `samples_per_epoch` (Keras 1) counts samples: an epoch ends with the batch
            that reaches or passes it. A positional number counts batches, unless the call has a
            name that only Keras 1 had, such as `nb_epoch`, and none that only Keras 2 had; see
            `install(keras=)`.
        epochs: the number of the last epoch. `nb_epoch` in Keras 1. Defaults to `1`.
        verbose: 0, 1 (a progress bar) or 2 (a line per epoch). Defaults to `1`.
        callbacks: a list of callbacks. They find each metric under its old and its new name: `acc`
            and `accuracy`, `val_acc` and `val_accuracy`. The `History` has both too.
        validation_data: `(x, y)`, `(x, y, sample_weight)`, or a source of batches.
        validation_steps: the number of batches of one validation. `nb_val_samples` (Keras 1) counts
            samples.
        validation_freq: the number of epochs between validations, or a list of epochs counted
            from 1. Defaults to `1`.
        class_weight: a dict of class to weight, or one such dict for each output by its name.
            The weights are multiplied by the sample weights of the batches, if there are any.
        max_queue_size: the maximum number of batches that wait. `max_q_size` in Keras 1. Defaults
            to `10`.
        workers: the number of threads that read the batches of a `Sequence`; their order does not
            depend on it. An iterator is advanced by one thread only. With 0, batches are read when
            they are needed, on the thread that trains. `nb_worker` in Keras 1. Defaults to `1`.
        use_multiprocessing: accepted, but threads are used: forking a process that trains is not
            safe. `pickle_safe` in Keras 1.
        shuffle: whether the batches of a `Sequence` are read in a new order in each pass. Defaults
            to `True`.
        initial_epoch: the number of the first epoch, from 0. Defaults to `0`.

    Returns:
        The `keras.callbacks.History`.

    Raises:
        TypeError: if an argument is unknown, is passed twice or has a wrong type.
        ValueError: if the end of an epoch is not known, or an item of the source is not a batch.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_bigdata.legacy import fit_generator

    def batches():
        while True:
            x = np.random.rand(32, 4)
            yield x, x.sum(axis=1) > 2

    model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    history = fit_generator(
        model, batches(), steps_per_epoch=100 / 32, epochs=3,
        validation_data=batches(), validation_steps=2,
    )
    print(history.history["val_acc"])
    ```
    """
    _check_model(model, "fit_generator")
    arguments = parse_fit_arguments(model, args, kwargs)
    user_callbacks = as_list(arguments.callbacks)
    if arguments.initial_epoch >= arguments.epochs:
        return _fit_no_epochs(model, arguments, user_callbacks)
    if has_resume_training(user_callbacks):
        bar = progress_bar(arguments.verbose, user_callbacks)
        return fit_resumable(model, arguments, user_callbacks, bar)
    begin_training(
        model,
        user_callbacks,
        (arguments.generator, arguments.validation_data),
        {"epochs": arguments.epochs, "steps": arguments.steps, "verbose": arguments.verbose},
    )
    lock = threading.Lock()
    queue = BatchQueue(
        arguments.generator,
        training_batch_function(model, arguments.class_weight),
        arguments.steps,
        arguments.epochs - arguments.initial_epoch,
        length_argument="steps_per_epoch",
        # A sequence of this package shuffles by itself.
        shuffle=arguments.shuffle and not isinstance(arguments.generator, EpochDataset),
        workers=arguments.workers,
        max_queue_size=arguments.max_queue_size,
        lock=lock,
    )
    validation: Validation | None = None
    aliases = MetricAliases(user_callbacks)
    try:
        if arguments.has_validation_data:
            validation = Validation(model, arguments, queue, lock)
            validation.set_callback_data(user_callbacks)
        with _source_errors(queue, validation.queue if validation else None):
            keras_data = KerasData(model, queue)
            if not queue.ready:
                raise ValueError("The generator yielded no batch to train on.")
            control = EpochControl(train=StepTracker(queue), validate=validation)
            last_callback = StopWithoutData if queue.has_fixed_steps else EndVariableEpochs
            callbacks = callback_list(
                model,
                [
                    control,
                    *progress_bar(arguments.verbose, user_callbacks),
                    *with_batch_logs(control.batch_rows.get, aliases.around()),
                    last_callback(control, arguments.epochs - 1),
                ],
                verbose=arguments.verbose,
                epochs=arguments.epochs,
                steps=queue.estimated_steps,
                add_history=True,
                **arguments.old_params,
            )
            if validation is not None:
                validation.control = control
                validation.callbacks = callbacks
            history = model.fit(
                keras_data.data(queue.take_all),
                epochs=arguments.epochs,
                initial_epoch=arguments.initial_epoch,
                steps_per_epoch=queue.max_steps,
                shuffle=False,
                verbose=arguments.verbose,
                callbacks=callbacks,
            )
        warn_if_ended_early(queue, "training")
        return history
    finally:
        aliases.restore()
        queue.close()
        if validation is not None:
            validation.close()


def evaluate_generator(model: Any, *args: Any, **kwargs: Any) -> Any:
    """Evaluates on batches from a generator, as `Model.evaluate_generator` of Keras 1 and 2 did.

    Args:
        model: a compiled `keras.Model`.
        generator: a source of batches, as for `fit_generator`.
        steps: the number of batches to evaluate. Optional for a `Sequence` and for sources that can
            be read more than once. `val_samples` (Keras 1) counts samples, and so does a positional
            number if the last training of the model was called with the names of Keras 1.
        callbacks: a list of callbacks.
        max_queue_size, workers, use_multiprocessing: as for `fit_generator`.
        verbose: 0 or 1. Defaults to `0`.

    Returns:
        The loss, or a list of the loss and the metrics.

    Raises:
        TypeError: if an argument is unknown, is passed twice or has a wrong type.
        ValueError: if the number of batches is not known, or an item of the source is not a batch.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_bigdata.legacy import evaluate_generator

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    loss, error = evaluate_generator(model, iter([(np.ones((8, 4)), np.ones(8))]), steps=1)
    ```
    """
    _check_model(model, "evaluate_generator")
    arguments = parse_evaluate_arguments("evaluate_generator", model, args, kwargs)
    to_batch = training_batch_function(model, None)
    with _single_epoch(model, arguments, to_batch) as (queue, keras_data):
        control = EpochControl(test=StepTracker(queue))
        results = model.evaluate(
            keras_data.data(queue.take_epoch),
            steps=queue.max_steps,
            verbose=arguments.verbose,
            return_dict=True,
            callbacks=_evaluate_callbacks(model, control, queue, arguments),
        )
        warn_if_ended_early(queue, "the evaluation")
    return in_old_order(model, results)


def predict_generator(model: Any, *args: Any, **kwargs: Any) -> Any:
    """Predicts for batches from a generator, as `Model.predict_generator` of Keras 1 and 2 did.

    A tuple is `(x, y)` or `(x, y, sample_weight)`, of which `x` is used; anything else is `x`: an
    array of shape `(rows, ...)`, or a list or dict of several inputs.

    Args:
        model: a `keras.Model`.
        generator: a source of batches, as for `fit_generator`.
        steps: the number of batches to predict for. Optional for a `Sequence` and for sources that
            can be read more than once. `val_samples` (Keras 1) counts samples, and is the number of
            rows returned; so does a positional number if the last training of the model was called
            with the names of Keras 1.
        callbacks: a list of callbacks.
        max_queue_size, workers, use_multiprocessing: as for `fit_generator`.
        verbose: 0 or 1. Defaults to `0`.

    Returns:
        The predictions of all batches: an array, or a list of arrays for several outputs.

    Raises:
        TypeError: if an argument is unknown, is passed twice or has a wrong type.
        ValueError: if the number of batches is not known, or an item of the source is not a batch.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_bigdata.legacy import predict_generator

    model = keras.Sequential([keras.layers.Dense(1)])
    predictions = predict_generator(model, (np.ones((8, 4)) for _ in range(3)), steps=3)
    assert predictions.shape == (24, 1)
    ```
    """
    _check_model(model, "predict_generator")
    arguments = parse_evaluate_arguments("predict_generator", model, args, kwargs)
    try:
        num_inputs = len(model.inputs)
    except (AttributeError, TypeError, ValueError):  # not built yet, or a subclassed model
        num_inputs = None

    def to_batch(raw: Any) -> Batch:
        return prediction_batch(raw, num_inputs, model)

    with _single_epoch(model, arguments, to_batch) as (queue, keras_data):
        control = EpochControl(predict=StepTracker(queue))
        results = model.predict(
            keras_data.data(queue.take_epoch),
            steps=queue.max_steps,
            verbose=arguments.verbose,
            callbacks=_evaluate_callbacks(model, control, queue, arguments),
        )
        warn_if_ended_early(queue, "the prediction")
    if queue.length is not None and queue.length.unit == "samples":
        # Keras 1 returned exactly this number of rows.
        rows = queue.length.max_batches
        results = keras.tree.map_structure(lambda array: array[:rows], results)
    return results


@contextlib.contextmanager
def _single_epoch(
    model: Any, arguments: EvaluateArguments, to_batch: Callable[[Any], Batch]
) -> Iterator[tuple[BatchQueue, KerasData]]:
    """Opens the source for one run of `evaluate` or `predict`, and closes it at the end."""
    queue = BatchQueue(
        arguments.generator,
        to_batch,
        arguments.steps,
        1,
        length_argument="steps",
        shuffle=False,
        workers=arguments.workers,
        max_queue_size=arguments.max_queue_size,
    )
    try:
        with _source_errors(queue):
            keras_data = KerasData(model, queue)
            if not queue.ready:
                raise ValueError("The generator yielded no batch.")
            yield queue, keras_data
    finally:
        queue.close()


@contextlib.contextmanager
def _source_errors(*queues: BatchQueue | None) -> Iterator[None]:
    """Raises the original error of a source instead of the error in which a backend wrapped it."""
    with warnings.catch_warnings():
        # `warn_if_ended_early` has the better message.
        warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
        try:
            yield
        except Exception as error:
            for queue in queues:
                if queue is not None and queue.error is not None and queue.error is not error:
                    raise queue.error from None
            raise


def _evaluate_callbacks(
    model: Any, control: EpochControl, queue: BatchQueue, arguments: EvaluateArguments
) -> Any:
    user_callbacks = as_list(arguments.callbacks)
    return callback_list(
        model,
        [
            control,
            *progress_bar(arguments.verbose, user_callbacks),
            *MetricAliases(user_callbacks).around(),
        ],
        verbose=arguments.verbose,
        epochs=1,
        steps=queue.estimated_steps,
    )


def _fit_no_epochs(model: Any, arguments: FitArguments, user_callbacks: list[Any]) -> Any:
    """Calls the hooks of a training without epochs, and reads no batch."""
    callbacks = callback_list(
        model,
        user_callbacks,
        add_history=True,
        verbose=arguments.verbose,
        epochs=arguments.epochs,
        steps=None,
    )
    callbacks.on_train_begin()
    callbacks.on_train_end()
    return model.history


def _check_model(model: Any, function: str) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"The first argument of {function}() must be a keras.Model. Received: "
            f"{type(model).__name__}"
        )
