"""Ctrl-C during training, answered where the weights are whole: between two batches."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import keras

# The guard of the training that runs now, for `InterruptCheck`.
_active: InterruptGuard | None = None


class InterruptGuard:
    """Notes the first Ctrl-C of a training and lets a second one through.

    Only the default handler is ever replaced, and only in the main thread: a program that handles
    SIGINT itself goes on doing so.

    Args:
        end: called once before `KeyboardInterrupt` is raised.
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self._pending = False
        self._installed = False
        self._training: CodeType | None = None

    def start(self) -> None:
        """Takes over Ctrl-C; called by a callback's `on_train_begin`."""
        global _active  # noqa: PLW0603
        if _active is not None:
            _active.stop()
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            return
        self._training = _code_that_calls_the_hooks()
        self._pending = False
        self._installed = True
        _active = self
        signal.signal(signal.SIGINT, self._handle)

    def stop(self) -> None:
        """Gives Ctrl-C back. Does nothing if it was not taken over."""
        global _active  # noqa: PLW0603
        if not self._installed:
            return
        self._installed = False
        _active = None
        # A training in another thread than the one that started it can give nothing back.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def check(self) -> None:
        """Ends the training if Ctrl-C was pressed. Called where the weights are whole."""
        if self._pending:
            self._pending = False
            self.stop()
            self._end()
            raise KeyboardInterrupt

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        # After an exception Keras calls no hook, so a training that has died is known only by its
        # absence from the stack.
        if self._pending or not _is_running(self._training, frame):
            self.stop()
            signal.default_int_handler(signum, frame)
        self._pending = True
        # Not print(): the signal may have come in the middle of one.
        os.write(2, b"\nInterrupted: ending after this batch. Press Ctrl-C again to end at once.\n")


def is_pending() -> bool:
    """Whether Ctrl-C was pressed and the training is about to end for it."""
    return _active is not None and _active._pending


class InterruptCheck(keras.callbacks.Callback):
    """Lets a Ctrl-C end an `evaluate` between two batches, if a training is being guarded."""

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if _active is not None:
            _active.check()


def _code_that_calls_the_hooks() -> CodeType:
    """`fit`, or the function of a hand-written loop."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_name in ("start", "on_train_begin"):
        frame = frame.f_back
    return frame.f_code


def _is_running(code: CodeType | None, frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False
