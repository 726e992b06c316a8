"""`fit_generator` and its kin of Keras 1 and Keras 2, on Keras 3.

Keras is imported when the first function is called.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_bigdata.legacy.callbacks import ModelCheckpoint, TensorBoard

__all__ = [
    "ModelCheckpoint",
    "TensorBoard",
    "evaluate_generator",
    "fit_generator",
    "install",
    "predict_generator",
]


def fit_generator(model: Any, *args: Any, **kwargs: Any) -> Any:
    """Trains on batches from a generator, as `Model.fit_generator` of Keras 1 and 2 did.

    `generator` may be anything that gives batches: a generator, an iterator (`zip`, an object with
    a lock and `__next__`, an iterator of `ImageDataGenerator`), an iterable (a `tf.data.Dataset`,
    a `DataLoader`, a list of batches) or a `keras.utils.Sequence`, whether or not its constructor
    calls `super().__init__`. A batch is `(x, y)` or `(x, y, sample_weight)`, a tuple or a list;
    several inputs or outputs are a list, a tuple or a dict. Arrays are copied as soon as they come,
    so a generator may refill its own.

    Epochs follow one another without a gap: no batch is lost or given twice between them, and
    exactly `steps_per_epoch * epochs` batches are taken from an iterator. A validation source goes
    on where the last validation stopped. If training is stopped early, the batches that were
    waiting in the queue are lost, as they were in Keras 2.

    A source that raises ends the training with that error and its own traceback. One that ends
    early ends the training after its last batch, with a warning. A source that can be read again
    is begun again.

    Args:
        model: a compiled `keras.Model`.
        generator: the source of batches.
        steps_per_epoch: batches of an epoch; a float counts up to the next batch, as in Keras 2.
            Can be left out for a `Sequence` and for what can be read again: an epoch is one pass.
            `samples_per_epoch` (Keras 1) counts samples: an epoch ends with the batch that reaches
            or passes it. A number without a name counts batches, unless the call has a name that
            only Keras 1 knew, as `nb_epoch`, and none that only Keras 2 knew; see
            `install(keras=)`.
        epochs: the number of the last epoch. `nb_epoch` in Keras 1. Defaults to `1`.
        verbose: 0, 1 (a progress bar) or 2 (a line each epoch). Defaults to `1`.
        callbacks: a list of callbacks. They find each quantity under its old and its new name:
            `acc` and `accuracy`, `val_acc` and `val_accuracy`, and so does the History.
        validation_data: `(x, y)`, `(x, y, sample_weight)`, or a source of batches.
        validation_steps: batches of one validation. `nb_val_samples` (Keras 1) counts samples.
        validation_freq: validate every so many epochs, or a list of epochs counted from 1.
            Defaults to `1`.
        class_weight: a dict of class to weight, or one such dict for each output by its name.
            Multiplied with the sample weights of the batches, if there are any.
        max_queue_size: batches that wait at most. `max_q_size` in Keras 1. Defaults to `10`.
        workers: threads that make the batches of a `Sequence`, in order all the same; an iterator
            is advanced by one thread only. With 0 batches are made when they are needed, on the
            thread that trains. `nb_worker` in Keras 1. Defaults to `1`.
        use_multiprocessing: accepted, and threads are used: to fork a process that trains is not
            safe. `pickle_safe` in Keras 1.
        shuffle: whether the batches of a `Sequence` come in a new order in each pass. Defaults to
            `True`.
        initial_epoch: the number of the first epoch, from 0. Defaults to `0`.

    Returns:
        The `keras.callbacks.History`.

    Raises:
        TypeError: if an argument is unknown or given twice, or is of the wrong kind.
        ValueError: if there is no saying where an epoch ends, or a batch is not one.

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
    from keras_bigdata.legacy import generators

    return generators.fit_generator(model, *args, **kwargs)


def evaluate_generator(model: Any, *args: Any, **kwargs: Any) -> Any:
    """Evaluates on batches from a generator, as `Model.evaluate_generator` of Keras 1 and 2 did.

    Args:
        model: a compiled `keras.Model`.
        generator: a source of batches, as for `fit_generator`.
        steps: batches to evaluate; can be left out for a `Sequence` and what can be read again.
            `val_samples` (Keras 1) counts samples, and so does a number without a name if the model
            was last trained by a call with the names of Keras 1.
        callbacks: a list of callbacks.
        max_queue_size, workers, use_multiprocessing: as for `fit_generator`.
        verbose: 0 or 1. Defaults to `0`.

    Returns:
        The loss, or a list of the loss and the metrics.

    Raises:
        TypeError: if an argument is unknown or given twice, or is of the wrong kind.
        ValueError: if there is no saying how many batches there are, or a batch is not one.

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
    from keras_bigdata.legacy import generators

    return generators.evaluate_generator(model, *args, **kwargs)


def predict_generator(model: Any, *args: Any, **kwargs: Any) -> Any:
    """Predicts for batches from a generator, as `Model.predict_generator` of Keras 1 and 2 did.

    A tuple is `(x, y)` or `(x, y, sample_weight)`, of which `x` is used; anything else is `x`: an
    array, or a list or dict of several inputs.

    Args:
        model: a `keras.Model`.
        generator: a source of batches, as for `fit_generator`.
        steps: batches to predict for; can be left out for a `Sequence` and what can be read again.
            `val_samples` (Keras 1) counts samples, and is the number of rows returned; so does a
            number without a name if the model was last trained by a call with the names of Keras 1.
        callbacks: a list of callbacks.
        max_queue_size, workers, use_multiprocessing: as for `fit_generator`.
        verbose: 0 or 1. Defaults to `0`.

    Returns:
        The predictions of all batches: an array, or a list of arrays for several outputs.

    Raises:
        TypeError: if an argument is unknown or given twice, or is of the wrong kind.
        ValueError: if there is no saying how many batches there are, or a batch is not one.

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
    from keras_bigdata.legacy import generators

    return generators.predict_generator(model, *args, **kwargs)


def install(keras: int | None = None) -> None:
    """Puts the old methods and callbacks where old scripts look for them.

    - `fit_generator`, `evaluate_generator` and `predict_generator` become methods of
      `keras.Model`, and `save_weights` takes the names of old HDF5 files.
    - `ModelCheckpoint` and `TensorBoard` at `keras.callbacks` and `tf.keras.callbacks` take the
      arguments of Keras 1 and 2.
    - `ImageDataGenerator` is at `keras.preprocessing.image` again, its iterators have `next()`;
      `keras.layers.core`, `keras.utils.np_utils` and others of the kind can be imported; optimizers
      take `lr=` and have `.lr`.

    Call it before the script imports names from Keras, or run the script with
    `python -m keras_bigdata.legacy script.py`. A second call changes nothing more.

    Args:
        keras: 1 or 2: whether a number of steps without a name, as in
            `model.fit_generator(batches, 2000, 10)`, counts samples (Keras 1) or batches (Keras 2)
            if nothing else in the calls tells. `None` leaves it as it is, at first 2. Defaults to
            `None`.

    Raises:
        ValueError: if `keras` is another number.

    Example:

    ```python
    from keras_bigdata import legacy

    legacy.install()
    model.fit_generator(iter([(x, y)]), steps_per_epoch=1)
    ```
    """
    from keras_bigdata.legacy import patches

    patches.install(keras)


_MODULES = {"ModelCheckpoint": "callbacks", "TensorBoard": "callbacks"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
