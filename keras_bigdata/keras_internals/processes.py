"""The processes that train one model together, and the data that they exchange.

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
import numpy.typing as npt

from keras_bigdata.keras_internals.distribution import jax_processes, torch_processes

# Sizes in bytes of the pieces of a message that JAX sends, each of which it compiles once. Most
# messages are short, and a checkpoint is long.
_PIECES = (2**10, 2**16, 2**22, 2**26)

# Errors of the first process that keep their class in the others.
_ERRORS: dict[str, type[Exception]] = {
    error.__name__: error for error in (ValueError, TypeError, OSError, FileNotFoundError)
}


class Processes:
    """A single process. Subclasses exchange data with other processes.

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
            Exception: in all processes, if the function raises one: the first process raises that
                error, and the others one with its text. So no process waits for another that has
                failed.
        """
        if self.size == 1:
            return function()
        error: Exception | None = None
        message = b""
        if self.is_first:
            try:
                with _without_distribution():
                    message = json.dumps({"value": function()}).encode()
            except Exception as raised:
                error = raised
                failure = {"error": type(raised).__name__, "text": _text(raised)}
                message = json.dumps(failure).encode()
        document = json.loads(self.broadcast(message))
        if error is not None:
            raise error
        if "error" in document:
            kind = _ERRORS.get(document["error"], RuntimeError)
            raise kind(f"In process 0 of {self.size}: {document['text']}")
        return document["value"]

    def agree(self, what: str, document: dict[str, Any]) -> None:
        """Checks that all processes pass the same values.

        Args:
            what: what the values belong to, for the message.
            document: plain values by name.

        Raises:
            ValueError: in all processes, if a value differs.
        """
        if self.size == 1:
            return
        texts = {name: json.dumps(value) for name, value in document.items()}
        first, *others = map(json.loads, self.gather(json.dumps(texts).encode()))
        for rank, other in enumerate(others, 1):
            for name in (name for name in {**first, **other} if first.get(name) != other.get(name)):
                raise ValueError(
                    f"The processes that train together differ in {what}: {name} is "
                    f"{first.get(name)} in process 0, and {other.get(name)} in process {rank}. "
                    "Run the same lines in every process."
                )


class _JaxProcesses(Processes):
    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def gather(self, data: bytes) -> list[bytes]:
        from jax.experimental import multihost_utils

        lengths = multihost_utils.process_allgather(_length_of(data))
        sizes = [int(length.view(np.int64)[0]) for length in np.asarray(lengths)]
        gathered: list[list[bytes]] = [[] for _ in sizes]
        for start, size in _pieces(max(sizes)):
            piece = np.zeros(size, np.uint8)
            here = np.frombuffer(data[start : start + size], np.uint8)
            piece[: len(here)] = here
            rows = np.asarray(multihost_utils.process_allgather(piece))
            for parts, row in zip(gathered, rows, strict=True):
                parts.append(row.tobytes())
        return [b"".join(p)[:size] for p, size in zip(gathered, sizes, strict=True)]

    def broadcast(self, data: bytes) -> bytes:
        from jax.experimental import multihost_utils

        length = np.asarray(multihost_utils.broadcast_one_to_all(_length_of(data)))
        total = int(length.astype(np.uint8).view(np.int64)[0])
        parts = []
        for start, size in _pieces(total):
            piece = np.zeros(size, np.uint8)
            if self.is_first:
                here = np.frombuffer(data[start : start + size], np.uint8)
                piece[: len(here)] = here
            parts.append(np.asarray(multihost_utils.broadcast_one_to_all(piece)).tobytes())
        return b"".join(parts)[:total]


def _length_of(data: bytes) -> npt.NDArray[np.uint8]:
    """Returns the length as bytes: JAX has no int64, and a checkpoint may exceed 2 GiB."""
    return np.array([len(data)], np.int64).view(np.uint8)


def _pieces(length: int) -> Iterator[tuple[int, int]]:
    """Yields start and size of the pieces of a message."""
    start = 0
    while start < length:
        size = next((size for size in _PIECES if size >= length - start), _PIECES[-1])
        yield start, size
        start += size


class _TorchProcesses(Processes):
    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

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
    uses_jax = "jax" in sys.modules and keras.backend.backend() != "torch"
    found = jax_processes() if uses_jax else torch_processes()
    if found is None or found[1] == 1:
        return Processes()
    return _JaxProcesses(*found) if uses_jax else _TorchProcesses(*found)


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
