"""What callbacks need from a running `fit`, its model and other callbacks."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_bigdata.keras_internals.fit import tf_dataset_of

# `tests/keras_internals` was run with Keras 3.8.0 and 3.15.1 on TensorFlow 2.21 and torch 2.13, and
# with Keras 3.10.0, 3.12.0 and 3.15.1 on JAX 0.10, which older releases of Keras do not run on.

# Beginnings of warnings that are silenced because this package causes them.
RAN_OUT_OF_DATA = "Your input ran out of data"
_SKIPPED_OPTIMIZER = "Skipping variable loading for optimizer"

# The name in Keras 3.8 to 3.12, where it is not a constant.
_GLOBAL_SEED_GENERATOR = "global_seed_generator"


@dataclass(frozen=True, slots=True)
class FitInput:
    """The data that a running `fit` trains on.

    Attributes:
        dataset: the PyDataset that was passed to `fit`, or `None` if it was something else.
        shuffle: whether `fit` shuffles the order of its batches.
        steps_per_epoch: the argument of `fit`.
        tf_dataset: the `tf.data.Dataset` that was passed to `fit`, after one that multiplies class
            weights if `class_weight` was; or `None`. Defaults to `None`.
        class_weight: the argument of `fit`. Defaults to `None`.
        adapter: the object through which Keras reads the data, whose `on_epoch_end` calls that of
            the dataset. Defaults to `None`.
        validation_data: the argument of `fit`. Defaults to `None`.
    """

    dataset: Any
    shuffle: bool
    steps_per_epoch: int | None
    tf_dataset: Any = None
    class_weight: Any = None
    adapter: Any = field(default=None, compare=False)
    validation_data: Any = None


def fit_input() -> FitInput | None:
    """Returns the data of the `fit` that calls a callback, or `None` if it is not found.

    Finds: the local variables `class_weight`, `validation_data` and `epoch_iterator` of the
    function `fit`; of the iterator its `steps_per_epoch` and `data_adapter`, and the adapter's
    `py_dataset` and `shuffle`, or its `tf.data.Dataset`.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: https://github.com/tensorflow/tensorflow/issues/36376 asks for the data in callbacks.

    Without it: `ResumeTraining` cannot refuse arguments of `fit` that make resuming inexact. It
    warns once per `fit` and names them. In the rest of a resumed epoch of a sequence, callbacks
    receive an `on_train_batch_begin` too many, and the logged losses of several outputs are wrong.
    A sequence that is passed as `validation_data` begins again with its epoch 0.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "fit" and "epoch_iterator" in frame.f_locals:
            iterator = frame.f_locals["epoch_iterator"]
            try:
                adapter = iterator.data_adapter
                dataset = getattr(adapter, "py_dataset", None)
                shuffle = dataset is not None and bool(adapter.shuffle)
                steps = iterator.steps_per_epoch
                weights = frame.f_locals.get("class_weight")
                validation = frame.f_locals.get("validation_data")
                tf_dataset = tf_dataset_of(adapter)
                return FitInput(dataset, shuffle, steps, tf_dataset, weights, adapter, validation)
            except AttributeError:
                return None
    return None


def callback_list() -> keras.callbacks.CallbackList | None:
    """Returns the list that calls a hook of a callback, or `None` if it is not found.

    Finds: the local variable `self` of a function of a `CallbackList`. Its `callbacks` are complete
    when it calls `set_params`, before `fit` has begun.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed. A callback has no public way to the others.

    Without it: `WeightedValidation` cannot refuse callbacks that read the logs before it writes to
    them (CSVLogger writes "NA", EarlyStopping never stops). `ResumeTraining` may take a later
    training of another thread for one that has ended with an exception, and refuse to begin.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name in ("set_params", "on_train_begin"):
            caller = frame.f_locals.get("self")
            if isinstance(caller, keras.callbacks.CallbackList):
                return caller
    return None


def training_frame() -> FrameType:
    """Returns the frame of the function that calls a callback's `on_train_begin`.

    Finds: the first caller whose name is neither `on_train_begin` (a callback's, and that of
    `CallbackList`) nor `start`, `open` or `from_first`, which are of this package. This is `fit`,
    or the function that holds a custom loop.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed. Keras calls no hook when `fit` ends with an exception, so no public name
    shows that a training is over.

    Without it: if another function of Keras came in between and returned before training, a
    Ctrl-C would raise at once, as it does without the callback, and two threads could train with
    one directory of `ResumeTraining`.
    """
    ours = ("open", "start", "from_first", "on_train_begin")
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_name in ours:
        frame = frame.f_back
    return frame


def set_initial_epoch(model: Any, epoch: int | None) -> int | None:
    """Sets the epoch with which the running `fit` begins. Returns the previous value.

    Finds: `model._initial_epoch`, which `fit` reads after `on_train_begin`.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch. `BackupAndRestore` sets it too.

    Upstream: https://github.com/keras-team/keras/issues/19179 is about the same mechanism in
    `BackupAndRestore`. A public way was not requested.

    Without it: `fit` begins with its argument `initial_epoch`. `ResumeTraining` refuses to continue
    if that is not the epoch of the checkpoint, and names the value to pass.
    """
    former: int | None = getattr(model, "_initial_epoch", None)
    model._initial_epoch = epoch
    return former


def global_seed_state() -> npt.NDArray[Any] | None:
    """Returns the state of Keras's global seed generator, or `None` if it was not used yet.

    Finds: the attribute "global_seed_generator" of `keras.src.backend.common.global_state`, from
    which the functions of `keras.random` draw if they receive no seed. The generators of layers
    are variables of the model and do not need this.

    Seen in: Keras 3.8 to 3.15.1. The constant for its name exists since Keras 3.13.

    Upstream: none filed for a public getter. https://github.com/keras-team/keras/pull/21874 lets
    `keras.utils.set_random_seed` replace the generator.

    Without it: `None`. A resumed training then draws other numbers where its own code calls
    `keras.random` without a seed.
    """
    generator = _global_seed_generator(create=False)
    if generator is None:
        return None
    return np.array(keras.ops.convert_to_numpy(generator.state.value), copy=True)


def set_global_seed_state(state: npt.NDArray[Any]) -> None:
    """Sets Keras's global seed generator to what `global_seed_state` returned.

    It uses the same private name as `global_seed_state`. Without it nothing is set.
    """
    generator = _global_seed_generator(create=True)
    if generator is not None:
        generator.state.assign(state)


def _global_seed_generator(create: bool) -> Any:
    try:
        from keras.src.backend.common import global_state
        from keras.src.random import seed_generator

        if create:
            return seed_generator.global_seed_generator()
        name = getattr(seed_generator, "GLOBAL_SEED_GENERATOR", _GLOBAL_SEED_GENERATOR)
        return global_state.get_global_attribute(name)
    except (ImportError, AttributeError):
        return None


_CALLBACK_ATTRIBUTES: dict[type, tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("best", "best_epoch", "best_weights", "stopped_epoch", "wait"),
    keras.callbacks.History: ("epoch", "history"),
    keras.callbacks.LearningRateScheduler: (),
    keras.callbacks.ModelCheckpoint: (
        "best",
        "_batches_seen_since_last_saving",
        "_last_batch_seen",
        "_current_epoch",
    ),
    keras.callbacks.ProgbarLogger: (),
    keras.callbacks.ReduceLROnPlateau: ("best", "cooldown_counter", "wait"),
    keras.callbacks.RemoteMonitor: (),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
    keras.callbacks.TerminateOnNaN: (),
}


def callback_attributes(kind: type) -> tuple[str, ...] | None:
    """Returns the names of the attributes of a Keras callback that change during training.

    Finds: attributes of Keras's callback classes. Those of `ModelCheckpoint` and `SwapEMAWeights`
    are private, and none is documented as state. Attributes that follow from a callback's arguments
    are not included.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: https://github.com/keras-team/keras/issues/14862 and
    https://github.com/keras-team/keras/issues/9462 ask for callbacks that can be saved.

    Without a name: that value is not saved, and a resumed training begins with its initial value.

    Returns:
        A tuple of names, empty for a class without state; `None` for an unknown class.
    """
    return _CALLBACK_ATTRIBUTES.get(kind)


def compiled_metrics(metric: Any) -> list[Any] | None:
    """Returns the metrics inside an entry of `model.metrics`, if it groups those of `compile`.

    Finds: `CompileMetrics.metrics`, by the name of the attribute and the package of the class.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: https://github.com/keras-team/keras/issues/20244, where this is recommended.

    Without it: the group counts as one metric. `mode="auto"` then has to be replaced by "min" or
    "max", and `WeightedValidation` evaluates all sets a second time. The results remain correct.
    """
    return metric.metrics if is_keras_metric(metric) and hasattr(metric, "metrics") else None


def is_keras_metric(metric: Any) -> bool:
    """Returns whether the class of a metric is a class of Keras.

    Finds: the package in `type(metric).__module__`, "keras.src.metrics...".

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed.

    Without it: every metric counts as a custom one, and `WeightedValidation` evaluates all sets a
    second time. The results remain correct.
    """
    return type(metric).__module__.split(".")[0] == "keras"


@contextlib.contextmanager
def metrics_not_reset(model: Any) -> Iterator[None]:
    """Lets one `evaluate` continue from the metrics' current states instead of from zero.

    Finds: that `evaluate` calls `self.reset_metrics()`, which is replaced on the instance. Other
    ways do not support all sets that can be evaluated one by one. On TensorFlow, one dataset that
    chains the sets must have one signature: with images of 8 and 16 pixels, or with sample weights
    in one set only, `evaluate` fails in graph execution. Setting the metrics' variables back loses
    what a custom metric keeps outside its variables.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: https://github.com/keras-team/keras/issues/16526 asks for an `evaluate` that does
    not reset.

    Without it: an error, because the result would be that of the last set alone.

    Raises:
        RuntimeError: if nothing in the block has called `reset_metrics`.
    """
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    model.reset_metrics = count
    try:
        yield
    finally:
        del model.reset_metrics
    if not calls:
        raise RuntimeError(
            f"`evaluate` of Keras {keras.__version__} does not call `Model.reset_metrics`, so "
            "several validation sets cannot be evaluated as one. Use only metrics of Keras with "
            "per_set=True, or another release of Keras."
        )


class RanOutOfDataFilter:
    """Silences a warning of Keras from one hook of a callback to another.

    Finds: the text of the warning that Keras prints after an epoch with too few batches.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow and JAX.

    Upstream: since https://github.com/keras-team/keras/pull/23360 (after 3.15.1) Keras warns only
    if `steps_per_epoch` was passed, so this class is no longer needed.

    Without it: the warning is shown in the epoch that is resumed.
    """

    def __init__(self) -> None:
        self._filter: Any = None

    def start(self) -> None:
        """Silences the warning."""
        warnings.filterwarnings("ignore", RAN_OUT_OF_DATA, UserWarning)
        self._filter = warnings.filters[0]

    def stop(self) -> None:
        """Lets the warning through again. Does nothing if it was not silenced."""
        if self._filter in warnings.filters:
            warnings.filters.remove(self._filter)  # type: ignore[attr-defined]
        self._filter = None


@contextlib.contextmanager
def optimizer_warning_ignored() -> Iterator[None]:
    """Silences the warning of `load_weights` that an optimizer has different variables.

    Finds: the text of the warning.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed for loading the layers' weights alone.

    Without it: the warning is shown, although the optimizer is left unchanged on purpose.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _SKIPPED_OPTIMIZER)
        yield


def csv_columns(logger: keras.callbacks.CSVLogger) -> list[str] | None:
    """Returns the columns of a CSVLogger's file, or `None` before its first epoch.

    Finds: the attribute `keys`, which the first epoch determines and no page documents.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed.

    Without it: the first epoch after a resume determines the columns.
    """
    columns: list[str] | None = getattr(logger, "keys", None)
    return columns


def set_csv_columns(logger: keras.callbacks.CSVLogger, columns: list[str] | None) -> None:
    """Sets the columns of a CSVLogger to what `csv_columns` returned."""
    logger.keys = columns
