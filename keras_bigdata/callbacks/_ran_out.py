"""Keras's warning that data ran out, silenced for the epoch in which it means nothing."""

from __future__ import annotations

import warnings
from typing import Any


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
