"""A Dask cluster on this machine, Ray with two workers, and a source that records its readers."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.waiting import wait_for
from tests.packing.small_sources import Numbers


class SlowNumbers(Numbers):
    """Writes the id of the process that reads a row into a file."""

    def __init__(self, pids: Path, seconds: float) -> None:
        super().__init__(60)
        self.pids, self.seconds = pids, seconds

    def __getitem__(self, row: int) -> dict[str, Any]:
        with open(self.pids, "a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(self.seconds)
        return super().__getitem__(row)

    def fingerprint(self) -> dict[str, Any]:
        return {"kind": "SlowNumbers"}


class DaskProcesses:
    """A scheduler and two workers.

    Args:
        folder: where they run.
        path: where the workers find modules. Defaults to this checkout.
    """

    def __init__(self, folder: Path, path: Path = ROOT) -> None:
        self.folder, self._path = folder, path
        file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", file)
        wait_for(file.exists, 60)
        wait_for(lambda: file.read_text().endswith("}"), 10)
        self.workers = [
            self._start("worker", "--scheduler-file", file, "--nthreads", "1", "--no-nanny")
            for _ in range(2)
        ]
        self.address = json.loads(file.read_text())["address"]
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            # With one core, joblib runs the tasks in this process.
            client.wait_for_workers(2, timeout=60)

    def _start(self, kind: str, *options: Any) -> subprocess.Popen[bytes]:
        host = () if kind == "worker" else ("--host", "127.0.0.1")
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard"]
        with open(self.folder / f"{kind}.log", "ab") as log:
            return subprocess.Popen(
                [*command, *host, *map(str, options)],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(self._path)},
                stdout=log,
                stderr=log,
            )

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@contextlib.contextmanager
def ray_of_two() -> Iterator[None]:
    """Ray with two workers, which joblib knows as backend `"ray"`."""
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    ray.init(
        num_cpus=2, include_dashboard=False, runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}}
    )
    register_ray()
    try:
        yield
    finally:
        ray.shutdown()
