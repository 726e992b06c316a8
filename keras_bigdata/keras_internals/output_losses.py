"""The losses of several outputs in an `evaluate`, averaged over rows on TensorFlow too."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import keras


class OutputLossesPerRow:
    """Lets `evaluate` average the loss of each output over rows, as it does on JAX and torch.

    On TensorFlow, Keras passes the static number of rows as the weight of a batch. In a graph it is
    `None`, so that each batch counts once, however few rows it has: with 33 rows in batches of 32,
    the last row counted as much as the 32 others. `loss` itself has the dynamic number of rows.

    Finds: `model._compile_loss`, its `metrics` (one `Mean` for each of several outputs) and its
    method `call(y_true, y_pred, sample_weight)`. The methods are replaced on the instances while
    `model.test_function` is traced, and that function is kept for the next `evaluate`.

    Seen in: Keras 3.8 to 3.15.1, on TensorFlow.

    Upstream: none filed. `compile_utils.py` passes `tree.flatten(y_p)[0].shape[0]`.

    Without it: a warning that these figures are averages over batches.
    """

    def __init__(self) -> None:
        self._compile_loss: Any = None
        self._test_function: Any = None
        self._calls = 0

    @contextlib.contextmanager
    def evaluating(self, model: Any) -> Iterator[None]:
        """Makes `model.evaluate` average over rows within the block."""
        compile_loss: Any = getattr(model, "_compile_loss", None)
        is_one_output = getattr(compile_loss, "built", False) and not compile_loss.metrics
        if keras.backend.backend() != "tensorflow" or compile_loss is None or is_one_output:
            yield
            return
        if compile_loss is not self._compile_loss:  # the model was compiled again
            self._compile_loss, self._test_function, self._calls = compile_loss, None, 0
        former, model.test_function = model.test_function, self._test_function
        call = compile_loss.call

        def call_with_rows(y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            # If there are no metrics yet, this call only creates them: `evaluate` builds the loss
            # before it traces its function.
            with self._weighted(list(compile_loss.metrics), y_pred):
                return call(y_true, y_pred, sample_weight)

        compile_loss.call = call_with_rows
        try:
            yield
            self._test_function = model.test_function
        finally:
            del compile_loss.call
            model.test_function = former
        self._check(compile_loss.metrics)

    @contextlib.contextmanager
    def _weighted(self, trackers: list[Any], y_pred: Any) -> Iterator[None]:
        """Weights each batch by its number of rows, where Keras passes no weight."""
        self._calls += 1
        rows = keras.ops.shape(keras.tree.flatten(y_pred)[0])[0]
        for tracker in trackers:

            def update(
                values: Any, sample_weight: Any = None, method: Any = tracker.update_state
            ) -> None:
                method(values, rows if sample_weight is None else sample_weight)

            tracker.update_state = update
        try:
            yield
        finally:
            for tracker in trackers:
                del tracker.update_state

    def _check(self, trackers: list[Any]) -> None:
        counts = [float(keras.ops.convert_to_numpy(tracker.count)) for tracker in trackers]
        if any(counts) and not self._calls:
            self._calls = 1  # one warning
            warnings.warn(
                "On TensorFlow, the losses of the outputs are averages over batches in Keras "
                f"{keras.__version__}: a smaller last batch counts as much as the others. Monitor "
                "'val_loss', or pass a `batch_size` that divides the number of rows.",
                stacklevel=2,
            )
