"""Whether a training that was begun in some thread is still running."""

from __future__ import annotations

import sys
import threading
from types import FrameType


class RunningTraining:
    """A training of the current thread, recognized by its frame on the stack of the thread.

    Keras calls no hook when `fit` ends with an exception, so only the stack shows whether it has
    ended.

    Args:
        frame: the frame of the function that trains. It is not kept: it would keep the training's
            data alive.
    """

    def __init__(self, frame: FrameType) -> None:
        self._frame = id(frame)
        self._thread = threading.get_ident()

    def is_running_in_another_thread(self) -> bool:
        """Returns whether it is running in another thread than the current one."""
        if self._thread == threading.get_ident():
            return False
        frame = sys._current_frames().get(self._thread)
        while frame is not None:
            if id(frame) == self._frame:
                return True
            frame = frame.f_back
        return False
