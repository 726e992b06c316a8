"""Of all sequences only the last few hold threads, files and memory."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from typing import Protocol


class Holder(Protocol):
    """What holds them, and can do without until it is asked for the next batch."""

    def release(self) -> None: ...


# Sequences that hold threads, files and memory at a time. On TensorFlow `fit` keeps every dataset
# it was ever given alive (`tf.data.Dataset.from_generator` does): they cannot wait to be deleted.
_HOLDING = 4
_holders: OrderedDict[int, weakref.ref[Holder]] = OrderedDict()
_holders_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    # Nobody else holds it in the moment of a fork, or the child would wait for ever.
    os.register_at_fork(
        before=_holders_lock.acquire,
        after_in_parent=_holders_lock.release,
        after_in_child=_holders_lock.release,
    )


def release_others(newest: Holder) -> None:
    """Of all sequences that read ahead, only the last few go on holding what it takes."""
    with _holders_lock:
        _holders[id(newest)] = weakref.ref(newest)
        _holders.move_to_end(id(newest))
        released = []
        while len(_holders) > _HOLDING:
            released.append(_holders.popitem(last=False)[1]())
    for holder in released:
        if holder is not None:
            holder.release()
