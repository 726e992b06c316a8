"""The rest of an epoch that was resumed in its middle: `fit` expects a whole one."""

from __future__ import annotations

import copy
from typing import Any

from keras_bigdata.callbacks.resuming.training_state import read_values, restore_values
from keras_bigdata.keras_internals.callbacks import RanOutOfDataFilter


class _EndOfEpoch:
    """The value of `model.stop_training` with which `ShortEpoch` ends an epoch.

    It counts as true and is not `True`, so that another callback can stop the training at the same
    batch.
    """


class ShortEpoch:
    """Lets an epoch end that has fewer batches than `fit` expects.

    Otherwise Keras finds the end of the data in a phantom step after the last one, in which
    TensorFlow advances all variables that do not depend on data: seeds, and the count of steps in
    the optimizer. If the batches of a dataset have equal sizes, it also advances the number of rows
    in metrics, which `fit` reads before it calls any hook. That step must not happen, so `stop` is
    called. With a sequence it has to happen, because Keras would not call the `on_epoch_end` of the
    sequence; `begin_phantom_step` is called before it.
    """

    def __init__(self) -> None:
        self._filter = RanOutOfDataFilter()
        self._before: dict[str, Any] | None = None

    def begin(self) -> None:
        """Silences the warning that the data ran out; called when the epoch begins."""
        self._filter.start()

    def stop(self, model: Any) -> None:
        """Ends the epoch after its last batch, unless another callback has stopped it."""
        if not model.stop_training:
            model.stop_training = _EndOfEpoch()

    def begin_phantom_step(self, model: Any) -> None:
        """Remembers the state of a model before the step after the last one."""
        self._before = copy.deepcopy(read_values(model))

    def undo(self, model: Any) -> None:
        """Restores the state before the phantom step, and lets training continue."""
        if self._before is not None:
            restore_values(self._before, model)
            self._before = None
        if isinstance(model.stop_training, _EndOfEpoch):
            model.stop_training = False

    def end(self, model: Any) -> None:
        """Calls `undo`, and lets the warning through; called when the epoch has ended."""
        self.undo(model)
        self._filter.stop()
