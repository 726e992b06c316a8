"""Records how long loading takes in each of its stages."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

Stage = Literal["read", "decode", "transform"]


@dataclass(frozen=True, slots=True)
class StageSeconds:
    """Time spent in the stages of loading, summed over threads and processes.

    Attributes:
        read: seconds in which rows were read, with waiting for the disk or the network.
        decode: seconds in which images were decoded, or rows padded.
        transform: seconds in which the transform ran, with waiting for the GIL.
        transform_cpu: seconds of CPU time of its thread in them.
        read_bytes: number of bytes of the rows that were read.
    """

    read: float = 0.0
    decode: float = 0.0
    transform: float = 0.0
    transform_cpu: float = 0.0
    read_bytes: int = 0

    def __add__(self, other: StageSeconds) -> StageSeconds:
        return StageSeconds(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: StageSeconds) -> StageSeconds:
        return StageSeconds(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


class StageTimes:
    """Adds up the time of the stages. Thread-safe.

    It costs 1 us for each stage of a batch.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = StageSeconds()

    @property
    def total(self) -> StageSeconds:
        """The time since this object was created."""
        return self._total

    def add(self, seconds: StageSeconds) -> None:
        """Adds time that was spent elsewhere."""
        with self._lock:
            self._total += seconds

    @contextlib.contextmanager
    def measured(self, stage: Stage, read_bytes: int = 0) -> Iterator[None]:
        """Adds the time in which its body runs to a stage."""
        begin, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            seconds: dict[str, float] = {stage: time.perf_counter() - begin}
            if stage == "transform":
                seconds["transform_cpu"] = time.thread_time() - cpu
            self.add(StageSeconds(read_bytes=read_bytes, **seconds))

    def take(self) -> StageSeconds:
        """Returns the time since the last call, and starts again from 0."""
        with self._lock:
            taken, self._total = self._total, StageSeconds()
        return taken
