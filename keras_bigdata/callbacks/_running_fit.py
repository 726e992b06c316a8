"""What the `fit` that runs now was given. Callbacks are not told, so its frame is asked."""

from __future__ import annotations

import sys
import warnings
from typing import Any


def refuse_inexact(sequence: Any) -> None:
    """Called from `on_train_begin`.

    Raises:
        ValueError: if `fit` trains on something else than the sequence, or in an order that cannot
            be found again.
    """
    iterator = _epoch_iterator()
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


def _epoch_iterator() -> Any:
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "fit" and "epoch_iterator" in frame.f_locals:
            return frame.f_locals["epoch_iterator"]
    return None
