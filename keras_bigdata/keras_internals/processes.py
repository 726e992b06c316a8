"""The processes that train one model together, and what they tell each other.

All functions that exchange data wait for the other processes: each process must call them, in the
same order, from the thread that trains.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

# Errors of the first process that keep their class in the others.
_ERRORS: dict[str, type[Exception]] = {
    error.__name__: error for error in (ValueError, TypeError, OSError, FileNotFoundError)
}


class Processes:
    """One process by itself, which has no other to wait for.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
    """

    rank = 0
    size = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and decides."""
        return self.rank == 0

    def gather(self, data: bytes) -> list[bytes]:
        """Returns the bytes that each process passes, in the order of the processes."""
        return [data]

    def broadcast(self, data: bytes) -> bytes:
        """Returns the bytes that the first process passes."""
        return data

    def from_first(self, function: Callable[[], Any]) -> Any:
        """Calls a function in the first process, and returns its result in all of them.

        Args:
            function: returns `None`, booleans, numbers or strings, or lists and dicts of them. It
                must not compute with the backend: the other processes would not.

        Raises:
            Exception: in all processes, if the function raises one: in the first process that one,
                in the others one that says what it was. So no process waits for another that has
                failed.
        """
        if self.size == 1:
            return function()
        error: Exception | None = None
        document: dict[str, Any] = {}
        if self.is_first:
            try:
                with _without_distribution():
                    document = {"value": function()}
            except Exception as raised:
                error = raised
                document = {"error": type(raised).__name__, "text": _text(raised)}
        document = json.loads(self.broadcast(json.dumps(document).encode()))
        if error is not None:
            raise error
        if "error" in document:
            kind = _ERRORS.get(document["error"], RuntimeError)
            raise kind(f"In process 0 of {self.size}: {document['text']}")
        return document["value"]


class _JaxProcesses(Processes):
    def __init__(self, jax: Any) -> None:
        self.rank, self.size = jax.process_index(), jax.process_count()

    def gather(self, data: bytes) -> list[bytes]:
        from jax.experimental import multihost_utils

        lengths = multihost_utils.process_allgather(np.array([len(data)], np.int32)).ravel()
        padded = np.zeros(max(1, int(lengths.max())), np.uint8)
        padded[: len(data)] = np.frombuffer(data, np.uint8)
        rows = multihost_utils.process_allgather(padded)
        return [rows[rank, :length].tobytes() for rank, length in enumerate(lengths.tolist())]

    def broadcast(self, data: bytes) -> bytes:
        from jax.experimental import multihost_utils

        length = multihost_utils.broadcast_one_to_all(np.array([len(data)], np.int32))
        # Each length is compiled once, so that short messages have one length.
        padded = np.zeros(max(1024, int(length[0])), np.uint8)
        if self.is_first:
            padded[: len(data)] = np.frombuffer(data, np.uint8)
        sent = np.asarray(multihost_utils.broadcast_one_to_all(padded))
        return sent[: int(length[0])].tobytes()


class _TorchProcesses(Processes):
    def __init__(self, distributed: Any) -> None:
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()

    def gather(self, data: bytes) -> list[bytes]:
        import torch.distributed

        gathered: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(gathered, data)
        return gathered

    def broadcast(self, data: bytes) -> bytes:
        import torch.distributed

        sent = [data if self.is_first else None]
        torch.distributed.broadcast_object_list(sent, src=0)
        return bytes(sent[0] or b"")


def connected_processes() -> Processes:
    """Returns the processes that JAX or `torch.distributed` has connected; else this one alone."""
    jax: Any = sys.modules.get("jax")
    if jax is not None and keras.backend.backend() != "torch":
        # Asking for the number of processes initializes the backends, which must come after
        # `jax.distributed.initialize`.
        is_initialized = getattr(jax.distributed, "is_initialized", None)
        if is_initialized is not None and is_initialized() and jax.process_count() > 1:
            return _JaxProcesses(jax)
        return Processes()
    torch: Any = sys.modules.get("torch.distributed")
    if torch is not None and torch.is_available() and torch.is_initialized():
        return _TorchProcesses(torch) if torch.get_world_size() > 1 else Processes()
    return Processes()


@contextlib.contextmanager
def _without_distribution() -> Iterator[None]:
    """Lets one process save weights by itself.

    The first `save_weights` of a process creates an optimizer to learn the names of its attributes
    (`get_attr_skipset` in `saving_lib.py`), and an active distribution gives its variables to all
    processes: the others, which do not save, would wait forever, or fail. Seen in Keras 3.15.1.
    """
    active = keras.distribution.distribution()
    if active is None:
        yield
        return
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(active)


def _text(error: Exception) -> str:
    return str(error) or repr(error)
