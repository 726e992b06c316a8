"""Whether a training that was begun in some thread is still running."""

from __future__ import annotations

import sys
import threading
import weakref
from types import FrameType
from typing import Any


class RunningTraining:
    """A training of the current thread, recognized by its frame on the stack of the thread.

    Keras calls no hook when `fit` ends with an exception, so only the stack shows whether it has
    ended. The frame of the next `fit` often has the same address; its list of callbacks is another
    object.

    Args:
        frame: the frame of the function that trains. It is not kept: it would keep the training's
            data alive.
        callbacks: the `CallbackList` of the training, which is not kept either, or `None`.
    """

    def __init__(self, frame: FrameType, callbacks: Any) -> None:
        self._frame = id(frame)
        self._callbacks = None if callbacks is None else weakref.ref(callbacks)
        self._thread = threading.get_ident()

    def is_running_in_another_thread(self) -> bool:
        """Returns whether it is running in another thread than the current one."""
        if self._thread == threading.get_ident():
            return False
        if self._callbacks is not None and self._callbacks() is None:
            return False
        frame = sys._current_frames().get(self._thread)
        while frame is not None:
            if id(frame) == self._frame:
                return True
            frame = frame.f_back
        return False
