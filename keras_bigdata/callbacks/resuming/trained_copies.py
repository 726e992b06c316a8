"""Which of the copies of a callback trains: they share one directory, which serves one training."""

from __future__ import annotations

import weakref
from typing import Any


class TrainedCopies:
    """Records which of a callback and its copies has trained. `copy.copy` makes them share it."""

    def __init__(self) -> None:
        self._first: weakref.ref[Any] | None = None

    def check_only_one(self, callback: Any) -> None:
        """Checks that no other copy has trained, and remembers this one.

        The other training may have ended. Its final state would be restored into this one, whose
        model may differ in settings without a variable, such as the rate of a Dropout.

        Args:
            callback: the copy that begins to train; it has a `directory`.

        Raises:
            ValueError: if another copy has begun a training.
        """
        if self._first is not None and self._first() is not callback:
            kind = type(callback).__name__
            raise ValueError(
                f"{callback.directory}: another copy of this {kind} has trained with this "
                "directory. Tuners copy callbacks for each trial and each execution, and this one "
                "would end with the weights and History of the other one, without training. Create "
                f"a {kind} for each of them, with a directory of its own; in keras_tuner: override "
                "`run_trial(self, trial, ...)` and use `self.get_trial_dir(trial.trial_id)`."
            )
        self._first = weakref.ref(callback)
