"""Three things about `fit` that its calls do not tell, and the frames that call do.

They are found by name in Keras's code. `tests/test_fit_contract.py` pins the names: if Keras
changes them, nothing breaks, but what is said below is lost.
"""

from __future__ import annotations

import sys
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
