"""Facts about a running `fit` that a dataset does not receive in the calls of `fit`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

# Number of frames that are searched from the innermost outwards: those of this package and of a
# subclass, and some more.
_MAX_FRAMES = 9


def is_called_by_reset() -> bool:
    """Returns whether a hook is called by `EpochIterator.reset`, which prepares a `fit`.

    `reset` calls `on_epoch_end` before the first epoch: on JAX and torch after batch 0 was fetched
    for the symbolic build, and on TensorFlow possibly after a stopped `fit` whose prefetching has
    requested everything. With epochs of up to three batches the hooks alone look the same after a
    complete epoch.

    Finds: a frame named `reset` in `epoch_iterator.py`.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed; related to https://github.com/keras-team/keras/issues/19749.

    Without it: such short epochs may advance once too often; longer ones are not affected.
    """
    return any(
        frame.f_code.co_name == "reset" and "epoch_iterator" in frame.f_code.co_filename
        for frame in _nearest_frames()
    )


def is_called_for_signature() -> bool:
    """Returns whether a batch is requested to learn the shapes of all batches.

    On TensorFlow, `fit`, `evaluate` and `predict` request the first two batches, and take what is
    equal in both for the shape of all batches.

    Finds: a frame named `get_tf_dataset` in `py_dataset_adapter.py`.

    Seen in: Keras 3.8 to 3.15.1.

    Upstream: none filed. A dataset has no public way to state shapes with unknown dimensions.

    Without it: a `fit` on rows of any length fails at the first batch of another length, if the
    longest rows of the first two batches are equally long.
    """
    return any(
        frame.f_code.co_name == "get_tf_dataset" and "py_dataset" in frame.f_code.co_filename
        for frame in _nearest_frames()
    )


def is_called_by_predict() -> bool:
    """Returns whether a hook is called by `predict`.

    Finds: a frame named `predict` with a local variable `epoch_iterator`.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed. A dataset has no public way to the method that reads it.

    Without it: no warning that predictions come in shuffled order.
    """
    return any(
        frame.f_code.co_name == "predict" and "epoch_iterator" in frame.f_code.co_varnames
        for frame in _nearest_frames(2 * _MAX_FRAMES)
    )


def is_called_by_fit() -> bool:
    """Returns whether a hook is called by `fit` itself, and not by the `evaluate` inside it.

    Finds: the nearest frame named `fit` or `evaluate` with a local variable `epoch_iterator`.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed. A dataset has no public way to the method that reads it.

    Without it: no warning that `validation_data` numbers the classes differently.
    """
    frame = _calling_frame()
    return frame is not None and frame.f_code.co_name == "fit"


def calling_model() -> Any:
    """Returns the model whose `fit` or `evaluate` calls a hook; `None` if it is not known.

    Finds: `self` in a frame named `fit` or `evaluate` with a local variable `epoch_iterator`.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed. A dataset has no public way to the model that reads it.

    Without it: a model with fewer outputs than classes is not refused before it is trained.

    Call it before the first batch of a `fit` only. Python copies the local variables of a frame
    when they are read, and drops the former copies. In later epochs these contain TensorFlow's
    iterator of the last epoch, whose end waits for its autotuning thread: 0.25 s in two epochs of
    three.
    """
    frame = _calling_frame()
    return None if frame is None else frame.f_locals.get("self")


def arguments_of_fit() -> dict[str, Any]:
    """Returns the arguments that determine the steps of the `fit` or `evaluate` that calls a hook.

    Returns:
        The name of the method, `epochs`, `initial_epoch`, and the names of the callbacks of this
        package in their order; empty if the calling method is not known.

    Finds: these arguments as local variables of a frame named `fit` or `evaluate` with a local
    variable `epoch_iterator`.

    Seen in: Keras 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed. A dataset has no public way to the arguments of `fit`.

    Without it: processes that call `fit` with different arguments wait for each other forever.
    """
    frame = _calling_frame()
    if frame is None:
        return {}
    method, arguments = frame.f_code.co_name, frame.f_locals
    names = ("epochs", "initial_epoch") if method == "fit" else ()
    callbacks = arguments.get("callbacks")
    callbacks = getattr(callbacks, "callbacks", callbacks)
    return {
        "method": method,
        **{name: arguments.get(name) for name in names},
        "callbacks of keras_bigdata": [
            type(callback).__name__
            for callback in keras.tree.flatten(callbacks if callbacks is not None else [])
            if any(c.__module__.startswith("keras_bigdata.") for c in type(callback).mro())
        ],
    }


class FitOrder:
    """Undoes the shuffling of batch indices by `fit`.

    With `shuffle=True`, its default, `fit` draws a random order of the indices for each epoch.
    If the batches are shuffled already, this adds nothing, and replaces one read by several that
    are scattered over the files: undoing it resulted in 95,000 samples/s instead of 38,000. So the
    n-th index that `fit` requests in an epoch is served by the n-th batch. A count of requests is
    not sufficient, because other code may request batches by index at the same time.

    Finds: the local variable `indices` in a frame named `_finite_generator`.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: https://github.com/keras-team/keras/issues/20142 is about the default of `shuffle`.

    Without it: batches are served by their index, still exactly once, but more slowly.
    """

    def __init__(self) -> None:
        self._last: tuple[list[int], npt.NDArray[np.int64]] | None = None

    def __reduce__(self) -> tuple[type[FitOrder], tuple[()]]:
        return FitOrder, ()  # a copy is used by another `fit`

    def place(self, index: int) -> int:
        """Returns the place of an index in the order of `fit`, or the index if there is none."""
        order = self._shuffled_indices()
        if order is None:
            return index
        last = self._last
        if last is None or last[0] is not order:
            places = np.empty(len(order), np.int64)
            places[order] = np.arange(len(order))
            # The list is kept, so that a new list cannot have its identity.
            last = self._last = (order, places)
        return int(last[1][index])

    def _shuffled_indices(self) -> list[int] | None:
        for frame in _nearest_frames():
            if frame.f_code.co_name == "_finite_generator":
                order = frame.f_locals.get("indices")
                return order if isinstance(order, list) else None
        return None


def calling_epoch_iterators() -> list[Any]:
    """Returns the epoch iterators of Keras that may be beginning an epoch now.

    If a thread of TensorFlow calls the dataset, any running iterator may have caused the call.

    Finds: `self` in a frame named `_enumerate_iterator`.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed.

    Without it: see `IteratorGuard`.
    """
    for frame in _nearest_frames():
        if frame.f_code.co_name == "_enumerate_iterator":
            return [frame.f_locals["self"]]
    return running_epoch_iterators()


def running_epoch_iterators() -> list[Any]:
    """Returns the epoch iterators of Keras that any thread is using.

    Finds: the local variable `epoch_iterator` of `fit`, `evaluate` and `predict`.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed.

    Without it: see `IteratorGuard`.
    """
    found = [
        frame.f_locals.get("epoch_iterator")
        for frame in _frames_of_all_threads()
        if "epoch_iterator" in frame.f_code.co_varnames
    ]
    return [iterator for iterator in found if iterator is not None]


def running_fits() -> list[tuple[Any, Any]]:
    """Returns the models that any thread trains or evaluates, each with its `tf.data.Dataset`.

    `None` stands for another dataset.

    Call it before the first batch of a `fit` only: see `calling_model`.

    Finds: the local variables `self` and `epoch_iterator` of `fit` and `evaluate`, and the
    iterator's `data_adapter`.

    Seen in: Keras 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed.

    Without it: no warning of the effects of `as_dataset()` on a training of several processes.
    """
    found = []
    for frame in _frames_of_all_threads():
        if _is_fit_or_evaluate(frame):
            adapter = getattr(frame.f_locals.get("epoch_iterator"), "data_adapter", None)
            found.append((frame.f_locals.get("self"), tf_dataset_of(adapter)))
    return found


def tf_dataset_of(adapter: Any) -> Any:
    """Returns the `tf.data.Dataset` of a data adapter, or `None` if it adapts something else.

    If `fit` received `class_weight`, it is the dataset after their multiplication.

    Finds: `_dataset` of the class `TFDatasetAdapter`.

    Seen in: Keras 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed.

    Without it: `ResumeTraining` refuses every `tf.data.Dataset`.
    """
    is_tf_data = type(adapter).__name__ == "TFDatasetAdapter"
    return getattr(adapter, "_dataset", None) if is_tf_data else None


def datasets_of_builds() -> list[Any]:
    """Returns the `tf.data.Dataset`s of which Keras reads a batch only to build a model.

    On JAX and torch, and on TensorFlow under a strategy of `tf.distribute`, `fit` reads one before
    the first epoch and drops the iterator. If TensorFlow has prefetched a whole epoch by then, it
    looks like one that was trained.

    Finds: `iterator` in a frame named `_symbolic_build`, or `_maybe_symbolic_build` on TensorFlow,
    and its `data_adapter`.

    Seen in: Keras 3.15.1, on TensorFlow, JAX and torch.

    Upstream: none filed.

    Without it: a dataset of a few batches may begin with epoch 1.
    """
    found = []
    for frame in _frames_of_all_threads():
        if frame.f_code.co_name in ("_symbolic_build", "_maybe_symbolic_build"):
            adapter = getattr(frame.f_locals.get("iterator"), "data_adapter", None)
            found.append(tf_dataset_of(adapter))
    return [dataset for dataset in found if dataset is not None]


def _calling_frame() -> FrameType | None:
    """Returns the nearest frame of `fit` or `evaluate`, or `None` if it is not found."""
    for frame in _nearest_frames(2 * _MAX_FRAMES + 1):  # one more, for this function
        if _is_fit_or_evaluate(frame):
            return frame
    return None


def _is_fit_or_evaluate(frame: FrameType) -> bool:
    code = frame.f_code
    return code.co_name in ("fit", "evaluate") and "epoch_iterator" in code.co_varnames


def _frames_of_all_threads() -> Iterator[FrameType]:
    """Yields the running frames of all threads, each thread from the innermost outwards."""
    for innermost in sys._current_frames().values():
        frame: FrameType | None = innermost
        while frame is not None:
            yield frame
            frame = frame.f_back


def _nearest_frames(count: int = _MAX_FRAMES) -> Iterator[FrameType]:
    """Yields the nearest running frames, from the innermost outwards."""
    frame: FrameType | None = sys._getframe()
    for _ in range(count):
        if frame is None:
            return
        yield frame
        frame = frame.f_back
