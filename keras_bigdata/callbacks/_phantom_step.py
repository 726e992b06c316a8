"""The step in which `fit` finds that an epoch, which was resumed in its middle, has ended."""

from __future__ import annotations

import copy
from typing import Any

from keras_bigdata.callbacks._training_state import read_values, restore_values
from keras_bigdata.keras_internals.callbacks import RanOutOfDataFilter


class PhantomStep:
    """Undoes the step in which Keras finds the end of the data, and silences its warning.

    Keras expects as many batches in a resumed epoch as in a whole one. Within the step after the
    last one, TensorFlow advances what does not depend on data: seeds, and the optimizer's count.
    """

    def __init__(self) -> None:
        self._filter = RanOutOfDataFilter()
        self._before: dict[str, Any] | None = None

    def expect(self) -> None:
        """Silences the warning that the data ran out; called when the short epoch begins."""
        self._filter.start()

    def begin(self, model: Any) -> None:
        """Remembers the state of a model before the step."""
        self._before = copy.deepcopy(read_values(model))

    def undo(self, model: Any) -> None:
        """Restores the state before the step, if there was one."""
        if self._before is not None:
            restore_values(self._before, model)
            self._before = None

    def end(self) -> None:
        """Lets the warning through again; called when the epoch has ended."""
        self._filter.stop()
