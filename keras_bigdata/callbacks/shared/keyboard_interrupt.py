"""Ctrl-C during training, raised between two batches, where the weights are complete."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import keras

from keras_bigdata.keras_internals.callbacks import training_frame

# The active handler of the running training, for `RaiseKeyboardInterrupt`.
_active: DeferredKeyboardInterrupt | None = None


class DeferredKeyboardInterrupt:
    """Defers the first Ctrl-C of a training to the end of its batch; a second one raises at once.

    Only the default handler is ever replaced, and only in the main thread: a program that handles
    SIGINT itself keeps its handler.

    Args:
        before_raising: called once before `KeyboardInterrupt` is raised.
    """

    def __init__(self, before_raising: Callable[[], None]) -> None:
        self._before_raising = before_raising
        self._pending = False
        self._installed = False
        self._training: CodeType | None = None

    def start(self) -> None:
        """Installs the handler; called by a callback's `on_train_begin`."""
        global _active  # noqa: PLW0603
        if _active is not None:
            _active.stop()
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            return
        self._training = training_frame().f_code
        self._pending = False
        self._installed = True
        _active = self
        signal.signal(signal.SIGINT, self._handle)

    def stop(self) -> None:
        """Restores the default handler. Does nothing if it was not replaced."""
        global _active  # noqa: PLW0603
        if not self._installed:
            return
        self._installed = False
        _active = None
        # Python sets handlers in the main thread only; `stop` may be called in another one.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def raise_if_pending(self) -> None:
        """Ends the training if Ctrl-C was pressed; called where the weights are complete.

        Raises:
            KeyboardInterrupt: if Ctrl-C was pressed.
        """
        if self._pending:
            self._pending = False
            self.stop()
            self._before_raising()
            raise KeyboardInterrupt

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        # Keras calls no hook after an exception, so a training that ended with one is detected by
        # its absence from the stack.
        if self._pending or not _is_running(self._training, frame):
            self.stop()
            signal.default_int_handler(signum, frame)
        self._pending = True
        # Not `print`: the signal may interrupt a `print`, whose buffer cannot be entered twice.
        os.write(2, b"\nInterrupted: ending after this batch. Press Ctrl-C again to end at once.\n")


def is_interrupt_pending() -> bool:
    """Returns whether Ctrl-C was pressed and the training is about to end."""
    return _active is not None and _active._pending


class RaiseKeyboardInterrupt(keras.callbacks.Callback):
    """Lets a deferred Ctrl-C end an `evaluate` between two batches."""

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Raises `KeyboardInterrupt` if Ctrl-C was pressed."""
        if _active is not None:
            _active.raise_if_pending()


def _is_running(code: CodeType | None, frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False
