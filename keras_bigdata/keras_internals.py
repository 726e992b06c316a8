"""Three things about `fit` that its calls do not tell, and the frames that call do.

They are found by name in Keras's code. `tests/test_fit_contract.py` pins the names: if Keras
changes them, nothing breaks, but what is said below is lost.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

# How far out Keras's frames are looked for: ours, those of a subclass, and some to spare.
_NEAR = 9


def called_to_reset() -> bool:
    """Whether `on_epoch_end` comes from Keras preparing a fit, not from an epoch's end.

    `EpochIterator.reset` calls it before the first epoch, on JAX and torch after a fetch of
    batch 0 for the symbolic build, and on TensorFlow after a stopped fit whose prefetch may
    have asked for everything. With short epochs the hooks alone do not tell this from
    an epoch. Without the name only those cases suffer.
    """
    return any(
        frame.f_code.co_name == "reset" and "epoch_iterator" in frame.f_code.co_filename
        for frame in _callers()
    )


def asking_iterators() -> list[Any]:
    """What goes through an epoch for `fit`, `evaluate` or `predict` and begins one now.

    A dataset is asked by threads of TensorFlow: any that runs may be behind them.
    """
    for frame in _callers():
        if frame.f_code.co_name == "_enumerate_iterator":
            return [frame.f_locals["self"]]
    return running_iterators()


def running_iterators() -> list[Any]:
    """What goes through epochs in any thread."""
    found = []
    for innermost in sys._current_frames().values():
        frame: FrameType | None = innermost
        while frame is not None:
            if "epoch_iterator" in frame.f_code.co_varnames:
                found.append(frame.f_locals.get("epoch_iterator"))
            frame = frame.f_back
    return [iterator for iterator in found if iterator is not None]


class FitOrder:
    """Undoes the shuffling of batch numbers that `fit` does by default.

    With `shuffle=True` Keras draws a random order of the batch numbers for each epoch. Where
    batches are shuffled already that adds nothing, and it scatters what would be read in one go
    over the files: 38,000 samples/s became 95,000 by undoing it. So the n-th number that
    `fit` asks for in an epoch gets the n-th batch. Without the name batches are served by number,
    as to everybody else.
    """

    def __init__(self) -> None:
        self._known: tuple[list[int], npt.NDArray[np.int64]] | None = None

    def place(self, index: int) -> int:
        """The place of a batch number in the order in which `fit` asks, or the number itself."""
        order = self._shuffled()
        if order is None:
            return index
        known = self._known
        if known is None or known[0] is not order:
            places = np.empty(len(order), np.int64)
            places[order] = np.arange(len(order))
            # Held, so that no other list can be taken for this one.
            known = self._known = (order, places)
        return int(known[1][index])

    def _shuffled(self) -> list[int] | None:
        for frame in _callers():
            if frame.f_code.co_name == "_finite_generator":
                order = frame.f_locals.get("indices")
                return order if isinstance(order, list) else None
        return None


def _callers() -> Iterator[FrameType]:
    """The nearest frames that are running, from the innermost outwards."""
    frame: FrameType | None = sys._getframe()
    for _ in range(_NEAR):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


# At exit, for calls that are under way.
_PATIENCE = 1.5


class Hold:
    """Of one sequence, on what asks it for an epoch. Calls for batches go through `with hold:`."""

    def __init__(self) -> None:
        self._iterators: list[Any] = []
        self._inside: set[int] = set()
        self._over = False
        _holds.add(self)

    def __enter__(self) -> None:
        if self._over:
            threading.Event().wait()  # for ever
        self._inside.add(threading.get_ident())

    def __exit__(self, *error: object) -> None:
        self._inside.discard(threading.get_ident())

    def take(self) -> None:
        """An epoch begins."""
        iterators = asking_iterators()
        if any(held not in iterators for held in self._iterators):
            self.destroy()
        self._iterators = iterators

    def drop(self) -> None:
        """An epoch ends as it should: Keras keeps the iterator for the next one."""
        self._iterators = []

    def destroy(self) -> None:
        """What was broken off is destroyed now, by a thread that nobody waits for.

        It may take as long as the broken epoch did: TensorFlow waits for its autotuning too.
        """
        broken, self._iterators = self._iterators, []
        if broken:
            threading.Thread(target=_destroy, args=(broken,), daemon=True).start()

    def forked(self) -> None:
        """In a forked child: those that were inside stayed with the parent."""
        self._inside.clear()


def _destroy(iterators: list[Any]) -> None:
    iterators.clear()
    gc.collect()


_holds: weakref.WeakSet[Hold] = weakref.WeakSet()


def _at_exit() -> None:
    running = running_iterators()  # in threads that Python still waits for
    broken = [
        hold
        for hold in list(_holds)
        if hold._iterators and not any(one in running for one in hold._iterators)
    ]
    for hold in broken:
        hold._over = True
        # Never destroyed: the end would wait for that, up to a minute.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(hold._iterators))
    deadline = time.monotonic() + _PATIENCE
    while any(hold._inside for hold in broken) and time.monotonic() < deadline:
        time.sleep(0.005)


getattr(threading, "_register_atexit", atexit.register)(_at_exit)


# ---- For callbacks
#
# Each function says what it finds, where it was seen, where it was asked for upstream, and what is
# lost without it. `tests/test_fit_contract.py` pins all of them. It was run with Keras 3.8.0 and
# 3.15.1 on TensorFlow 2.21 and torch 2.13, and with Keras 3.10.0, 3.12.0 and 3.15.1 on JAX 0.10,
# which older releases of Keras do not run on.

# Beginnings of warnings that are silenced because this package causes them.
RAN_OUT_OF_DATA = "Your input ran out of data"
_SKIPPED_OPTIMIZER = "Skipping variable loading for optimizer"

# The name in Keras 3.8 to 3.12, where it is not a constant.
_GLOBAL_SEED_GENERATOR = "global_seed_generator"


@dataclass(frozen=True, slots=True)
class FitInput:
    """What a running `fit` trains on.

    Attributes:
        dataset: the PyDataset that was passed to `fit`, or `None` if it was something else.
        shuffle: whether `fit` shuffles the order of its batches.
        steps_per_epoch: the argument of `fit`.
    """

    dataset: Any
    shuffle: bool
    steps_per_epoch: int | None


def fit_input() -> FitInput | None:
    """Returns what the `fit` that calls a callback trains on, or `None` if that is not found.

    Finds: the local variable `epoch_iterator` of the function `fit`, its `steps_per_epoch` and
    `data_adapter`, and the adapter's `py_dataset` and `shuffle`.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: https://github.com/tensorflow/tensorflow/issues/36376 asks for the data in callbacks.

    Without it: `ResumeTraining` cannot refuse arguments of `fit` that make resuming inexact. It
    warns once per `fit` and names them.
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
                return FitInput(dataset, shuffle, iterator.steps_per_epoch)
            except AttributeError:
                return None
    return None


def training_code() -> CodeType:
    """Returns the code object of the function that calls a callback's `on_train_begin`.

    Finds: the first caller whose name is neither `on_train_begin` (a callback's, and that of
    `CallbackList`) nor `start`. This is `fit`, or the function that holds a custom loop.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed. Keras calls no hook when `fit` ends with an exception, so nothing public
    says that a training is over.

    Without it: if another function of Keras stood in between and returned before training, a
    Ctrl-C would raise at once, as it does without the callback.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_name in ("start", "on_train_begin"):
        frame = frame.f_back
    return frame.f_code


def set_initial_epoch(model: Any, epoch: int | None) -> int | None:
    """Sets the epoch with which the running `fit` begins. Returns the value that it replaces.

    Finds: `model._initial_epoch`, which `fit` reads after `on_train_begin`.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch. `BackupAndRestore` sets it too.

    Upstream: https://github.com/keras-team/keras/issues/19179 is about the same mechanism in
    `BackupAndRestore`. A public way was not asked for.

    Without it: `fit` begins with its argument `initial_epoch`. `ResumeTraining` refuses to go on
    if that is not the epoch of the checkpoint, and says which value to pass.
    """
    former: int | None = getattr(model, "_initial_epoch", None)
    model._initial_epoch = epoch
    return former


def global_seed_state() -> npt.NDArray[Any] | None:
    """Returns the state of Keras's global seed generator, or `None` if it was not used yet.

    Finds: the attribute "global_seed_generator" of `keras.src.backend.common.global_state`, from
    which the functions of `keras.random` draw if they receive no seed. The generators of layers
    are variables of the model and need none of this.

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

    The hook is that of `global_seed_state`. Without it nothing is set.
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
    """Returns the names of what changes in a callback of Keras while it trains.

    Finds: attributes of Keras's callback classes. Those of `ModelCheckpoint` and `SwapEMAWeights`
    are private, and none is documented as state. What follows from a callback's arguments is not
    among them.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: https://github.com/keras-team/keras/issues/14862 and
    https://github.com/keras-team/keras/issues/9462 ask for callbacks that can be saved.

    Without a name: that value is not saved, and starts again in a resumed training.

    Returns:
        A tuple of names, empty for a class without state; `None` for a class that is not known.
    """
    return _CALLBACK_ATTRIBUTES.get(kind)


def compiled_metrics(metric: Any) -> list[Any] | None:
    """Returns the metrics inside an entry of `model.metrics`, if it groups those of `compile`.

    Finds: `CompileMetrics.metrics`, by the name of the attribute and the package of the class.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: https://github.com/keras-team/keras/issues/20244, where this is recommended.

    Without it: the group counts as one metric. `mode="auto"` then has to be replaced by "min" or
    "max", and `WeightedValidation` evaluates all sets a second time. The figures stay right.
    """
    return metric.metrics if is_keras_metric(metric) and hasattr(metric, "metrics") else None


def is_keras_metric(metric: Any) -> bool:
    """Returns whether the class of a metric is one of Keras's own.

    Finds: the package in `type(metric).__module__`, "keras.src.metrics...".

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed.

    Without it: every metric counts as a custom one, and `WeightedValidation` evaluates all sets a
    second time. The figures stay right.
    """
    return type(metric).__module__.split(".")[0] == "keras"


@contextlib.contextmanager
def metrics_not_reset(model: Any) -> Iterator[None]:
    """Lets one `evaluate` go on from the metrics' present states instead of from zero.

    Finds: that `evaluate` calls `self.reset_metrics()`, which is replaced on the instance. Other
    ways do not cover all sets that can be evaluated one by one. On TensorFlow, one dataset that
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

    Finds: the text of the warning that an epoch with fewer batches than announced ends with.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow and JAX.

    Upstream: since https://github.com/keras-team/keras/pull/23360 (after 3.15.1) Keras warns only
    if `steps_per_epoch` was passed, so that this is needed no more.

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
    """Silences the warning of `load_weights` that an optimizer has other variables.

    Finds: the text of the warning.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed for loading the layers' weights alone.

    Without it: the warning is shown, though the optimizer is meant to be left as it is.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _SKIPPED_OPTIMIZER)
        yield
