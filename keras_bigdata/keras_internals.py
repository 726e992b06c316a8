"""Three things about `fit` that its calls do not tell, and the frames that call do.

They are found by name in Keras's code. `tests/test_fit_contract.py` pins the names: if Keras
changes them, nothing breaks, but what is said below is lost.
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
