"""The rest of an epoch that was resumed in its middle: `fit` expects a whole one."""

from __future__ import annotations

import copy
from typing import Any

from keras_bigdata.callbacks.resuming.resumable_fit import ResumableFit
from keras_bigdata.callbacks.resuming.training_state import read_values, restore_values
from keras_bigdata.keras_internals.callbacks import RanOutOfDataFilter


class _EndOfEpoch:
    """The value of `model.stop_training` with which `ShortEpoch` ends an epoch.

    It counts as true and is not `True`, so that another callback can stop the training at the same
    batch.
    """


class ShortEpoch:
    """Lets an epoch end that has fewer batches than `fit` expects.

    Otherwise Keras finds the end of the data in a phantom step after the last one. Callbacks
    receive an `on_train_batch_begin` without a batch, and TensorFlow advances all variables that do
    not depend on data: seeds, the count of steps in the optimizer, and, if batches have equal sizes
    or a model has several outputs, the number of rows in metrics, from which `fit` computes the
    logs before it calls any hook. So `stop` ends the epoch before that step.

    If the `fit` was not found, nothing could tell Keras that the epoch of its data has ended. Then
    the step happens, and `begin_phantom_step` is called before it.
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

    def complete(self, model: Any, data: ResumableFit) -> None:
        """Restores the state before a phantom step, and lets training continue.

        It ends the epoch of the data if `stop` has ended that of `fit`. May be called again.
        """
        if self._before is not None:
            restore_values(self._before, model)
            self._before = None
        if isinstance(model.stop_training, _EndOfEpoch):
            model.stop_training = False
            data.end_epoch()

    def end(self) -> None:
        """Lets the warning through; called when the epoch has ended."""
        self._filter.stop()
