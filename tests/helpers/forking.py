"""Forks of the process that runs the tests."""

from __future__ import annotations

import gc
import os


def fork() -> int:
    """Returns what `os.fork` returns; a child collects no garbage of the tests before.

    Among it may be functions of TensorFlow, which end a forked child with a segmentation fault. A
    child that has to collect what it inherited needs a program of its own.
    """
    gc.collect()
    gc.freeze()
    child = os.fork()
    if child:
        gc.unfreeze()
    return child
