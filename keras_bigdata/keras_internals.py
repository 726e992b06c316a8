"""Every use of a private name of Keras or TensorFlow, one function or class each.

Each says what it finds, the versions in which it was seen, the upstream issue, and what is lost if
the name disappears. `tests/test_fit_contract.py` fails first if a release changes one of them.

Most of them look at the stack: Keras does not tell a dataset or a callback which `fit` uses it.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt

# Frames that are searched from the innermost outwards: ours, those of a subclass, and some more.
_MAX_FRAMES = 9


# ---- For datasets


def is_called_by_reset() -> bool:
    """Returns whether a hook is called by `EpochIterator.reset`, which prepares a `fit`.

    `reset` calls `on_epoch_end` before the first epoch: on JAX and torch after batch 0 was fetched
    for the symbolic build, and on TensorFlow possibly after a stopped `fit` whose prefetching has
    requested everything. With epochs of up to three batches the hooks alone look the same after a
    complete epoch.

    Finds: a frame named `reset` in `epoch_iterator.py`. Seen in Keras 3.8 to 3.15.1. Upstream
    issue: none filed (related: https://github.com/keras-team/keras/issues/19749).
    Without the name: such short epochs may advance once too often; longer ones are not affected.
    """
    return any(
        frame.f_code.co_name == "reset" and "epoch_iterator" in frame.f_code.co_filename
        for frame in _nearest_frames()
    )


class FitOrder:
    """Undoes the shuffling of batch indices by `fit`.

    With `shuffle=True`, its default, `fit` draws a random order of the indices for each epoch.
    Where batches are shuffled already this adds nothing, and scatters reads that could be one over
    the files: undoing it gave 95,000 samples/s instead of 38,000. So the n-th index that `fit`
    requests in an epoch gets the n-th batch. A count of requests would not do: other code may
    request batches by index at the same time.

    Finds: the local variable `indices` in a frame named `_finite_generator`. Seen in Keras 3.8 to
    3.15.1. Upstream issue: https://github.com/keras-team/keras/issues/20142 (the default of
    `shuffle`).
    Without the name: batches are served by their index, exactly once as ever, and slower.
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

    A dataset is called by threads of TensorFlow: then every running iterator may be behind it.

    Finds: `self` in a frame named `_enumerate_iterator`. Seen in Keras 3.8 to 3.15.1. Upstream
    issue: none filed. Without the name: see `IteratorGuard`.
    """
    for frame in _nearest_frames():
        if frame.f_code.co_name == "_enumerate_iterator":
            return [frame.f_locals["self"]]
    return running_epoch_iterators()


def running_epoch_iterators() -> list[Any]:
    """Returns the epoch iterators of Keras that any thread is using.

    Finds: the local variable `epoch_iterator` of `fit`, `evaluate` and `predict`. Seen in Keras 3.8
    to 3.15.1. Upstream issue: none filed. Without the name: see `IteratorGuard`.
    """
    found = []
    for innermost in sys._current_frames().values():
        frame: FrameType | None = innermost
        while frame is not None:
            if "epoch_iterator" in frame.f_code.co_varnames:
                found.append(frame.f_locals.get("epoch_iterator"))
            frame = frame.f_back
    return [iterator for iterator in found if iterator is not None]


def _nearest_frames() -> Iterator[FrameType]:
    """Yields the nearest running frames, from the innermost outwards."""
    frame: FrameType | None = sys._getframe()
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


# ---- For datasets on TensorFlow

# Seconds to wait at exit for requests that are being served.
_EXIT_SECONDS = 1.5


class IteratorGuard:
    """Keeps the TensorFlow iterator of the current epoch alive until it can be destroyed safely.

    TensorFlow requests batches in a thread of its own, and the thread that destroys its iterator
    waits for that thread. A `fit` that ends early (Ctrl-C, an error, `stop_training` in mid-epoch)
    leaves the iterator in a cycle of references, and Python destroys a cycle in the thread that
    happens to collect garbage. If that is the requesting thread, or one that works for it, it waits
    for itself, and the process hangs forever: after every second Ctrl-C in the first second of a
    `fit` that starts worker processes. Every `PyDataset` can have this; one that allocates much
    memory in a request has it often.

    So the sequence refers to the iterator during an epoch, and the frames of every request refer to
    the sequence. The iterator of a stopped epoch is destroyed when the next `fit` begins. When the
    process ends it is not destroyed at all, and further requests block: a thread of TensorFlow that
    returns to Python after Python's end aborts the process.

    Requests for batches go through `with guard:`.

    Finds: the iterators of `calling_epoch_iterators`. Seen with TensorFlow 2.18 to 2.21. Upstream
    issue: none filed. Without the names: a stopped `fit` may hang, as with any `PyDataset`.
    """

    def __init__(self) -> None:
        self._iterators: list[Any] = []
        self._serving: set[int] = set()
        self._exiting = False
        _guards.add(self)

    def __enter__(self) -> None:
        if self._exiting:
            threading.Event().wait()  # forever
        self._serving.add(threading.get_ident())

    def __exit__(self, *error: object) -> None:
        self._serving.discard(threading.get_ident())

    def hold(self) -> None:
        """Keeps the iterator of an epoch that begins; destroys that of a stopped epoch."""
        iterators = calling_epoch_iterators()
        if any(held not in iterators for held in self._iterators):
            self.destroy()
        self._iterators = iterators

    def drop(self) -> None:
        """Forgets the iterator of a complete epoch: Keras keeps it for the next one."""
        self._iterators = []

    def destroy(self) -> None:
        """Destroys the iterator of a stopped epoch in a thread that nothing waits for.

        It may take as long as that epoch took: TensorFlow waits for its autotuning too.
        """
        stopped, self._iterators = self._iterators, []
        if stopped:
            threading.Thread(target=_destroy, args=(stopped,), daemon=True).start()

    def reset_after_fork(self) -> None:
        """In a forked child: the threads that were being served exist in the parent only."""
        self._serving.clear()


def _destroy(iterators: list[Any]) -> None:
    iterators.clear()
    gc.collect()


_guards: weakref.WeakSet[IteratorGuard] = weakref.WeakSet()


def _block_requests_at_exit() -> None:
    running = running_epoch_iterators()
    stopped = [
        guard
        for guard in list(_guards)
        if guard._iterators and not any(iterator in running for iterator in guard._iterators)
    ]
    for guard in stopped:
        guard._exiting = True
        # Never destroyed: the process would wait for that, for up to a minute.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(guard._iterators))
    deadline = time.monotonic() + _EXIT_SECONDS
    while any(guard._serving for guard in stopped) and time.monotonic() < deadline:
        time.sleep(0.005)


atexit.register(_block_requests_at_exit)


# ---- For callbacks


def refuse_inexact(sequence: Any) -> None:
    """Called from `on_train_begin`.

    Raises:
        ValueError: if `fit` trains on something else than the sequence, or in an order that cannot
            be found again.
    """
    iterator = fit_epoch_iterator()
    if iterator is None:
        warnings.warn(
            "ResumeTraining cannot see what `fit` was given in this release of Keras. Make sure "
            "that it is the same sequence, with shuffle=False and without steps_per_epoch.",
            stacklevel=2,
        )
        return
    adapter = iterator.data_adapter
    if getattr(adapter, "py_dataset", None) is not sequence:
        raise ValueError(
            "ResumeTraining was given another sequence than `fit`. Pass the same object to both, "
            "and not its `as_dataset()`, which is read ahead of training."
        )
    if adapter.shuffle:
        raise ValueError(
            "`fit` shuffles the order of batches by a generator that cannot be set back. Pass "
            "`shuffle=False` to `fit`; ShardSequence shuffles by itself. Received: shuffle=True"
        )
    if iterator.steps_per_epoch is not None:
        raise ValueError(
            "`fit(steps_per_epoch=...)` gives epochs that cannot be resumed. Pass it to "
            "ShardSequence instead. Received: steps_per_epoch="
            f"{iterator.steps_per_epoch}"
        )


def fit_epoch_iterator() -> Any:
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "fit" and "epoch_iterator" in frame.f_locals:
            return frame.f_locals["epoch_iterator"]
    return None


class RanOutSilence:
    """A filter of warnings that begins in one hook and ends in another."""

    def __init__(self) -> None:
        self._filter: Any = None

    def begin(self) -> None:
        """Silences the warning. A resumed epoch is shorter than Keras was told."""
        warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
        self._filter = warnings.filters[0]

    def end(self) -> None:
        """Lets it through again. Does nothing if it was not silenced."""
        if self._filter in warnings.filters:
            warnings.filters.remove(self._filter)  # type: ignore[attr-defined]
        self._filter = None
