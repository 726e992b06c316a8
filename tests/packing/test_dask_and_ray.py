"""Packing on real clusters: a Dask scheduler with two worker processes, and Ray on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest

from keras_bigdata import PackError, pack
from keras_bigdata.cli import main
from keras_bigdata.packing import cluster
from tests.helpers.packs import is_running, read_files, wait_for
from tests.helpers.paths import ROOT
from tests.packing.small_sources import Numbers, open_table

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


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
    """A scheduler and two workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
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
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    pytest.importorskip("distributed")
    processes = DaskProcesses(tmp_path_factory.mktemp("dask"))
    yield processes
    processes.end()


def threads_and_handlers() -> tuple[int, set[str], Any]:
    names = {each.name for each in threading.enumerate() if "Dask-Default" not in each.name}
    return os.getpid(), names, str(signal.getsignal(signal.SIGINT))


def cluster_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "keras_bigdata-cluster"]


def test_dask_writes_the_same_bytes_also_if_a_worker_is_killed(dask, tmp_path, capsys):
    from distributed import Client

    pids = tmp_path / "pids"
    pack(SlowNumbers(pids, 0), tmp_path / "one", shard_samples=2, workers=1)
    pids.write_text("")
    with Client(dask.address) as client, joblib.parallel_config(backend="dask"):
        before = client.run(threads_and_handlers)
        pack(SlowNumbers(pids, 0.01), tmp_path / "two", shard_samples=2, verbose=2)
        assert client.run(threads_and_handlers) == before
        assert "60 samples in 30 shards" in capsys.readouterr().err
        packed_by = {int(pid) for pid in pids.read_text().split()}
        assert packed_by - {os.getpid()} == {pid for pid, _, _ in before.values()}

        pids.write_text("")

        def kill_one() -> None:
            wait_for(lambda: len(pids.read_text().split()) > 6)
            dask.workers[0].kill()

        killer = threading.Thread(target=kill_one)
        killer.start()
        pack(SlowNumbers(pids, 0.1), tmp_path / "killed", shard_samples=2)
        killer.join()
        assert dask.workers[0].wait() == -signal.SIGKILL
    for name in ("two", "killed"):
        assert read_files(tmp_path / name) == read_files(tmp_path / "one")
        assert [each.name for each in (tmp_path / name).glob(".*")] == []
    assert is_running(dask.workers[1].pid)


@pytest.mark.parametrize("end", ["scheduler", "workers"])
def test_the_same_call_continues_after_a_cluster_has_ended(dask, tmp_path, monkeypatch, end):
    from distributed import Client

    monkeypatch.setattr(cluster, "NO_WORKER_SECONDS", 3.0)
    pids = tmp_path / "pids"
    source = SlowNumbers(pids, 0.1)
    client = Client(dask.address)

    def kill() -> None:
        wait_for(lambda: pids.exists() and len(pids.read_text().split()) > 12)
        for process in [dask.scheduler] if end == "scheduler" else dask.workers:
            process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    message = "scheduler-connection-lost" if end == "scheduler" else "no worker for 3 seconds"
    with (
        joblib.parallel_config(backend="dask", client=client),
        pytest.raises(PackError, match=rf"{message}.*Repeat the call to continue from there"),
    ):
        pack(source, tmp_path / "out", shard_samples=2)
    killer.join()
    wait_for(lambda: not cluster_threads(), 10)
    client.close(timeout=1)
    done = len(list((tmp_path / "out").glob("shard-*.pkl")))
    assert done
    pids.write_text("")
    pack(source, tmp_path / "out", shard_samples=2, workers=1)
    # Once more: the first row, to plan, and the shard that was written and not yet recorded.
    assert pids.read_text().split().count(str(os.getpid())) <= 60 - 2 * done + 1 + 2 * 2
    pack(source, tmp_path / "one", shard_samples=2, workers=1)
    assert read_files(tmp_path / "out") == read_files(tmp_path / "one")


def test_a_source_that_the_workers_cannot_import(dask, tmp_path, monkeypatch):
    """Joblib waits forever for such a task."""
    from distributed import Client

    (tmp_path / "only_here.py").write_text(
        "from tests.packing.small_sources import Numbers\nclass Rows(Numbers): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with Client(dask.address), joblib.parallel_config(backend="dask"):
        with pytest.raises(PackError, match=r"No module named 'only_here'\).*Install the module"):
            pack(only_here.Rows(), tmp_path / "out", shard_samples=2)
        wait_for(lambda: not cluster_threads(), 10)
        source = Numbers()
        source.lock = threading.Lock()  # type: ignore[attr-defined]
        with pytest.raises(PackError, match=r"attribute `lock` of type _thread\.lock"):
            pack(source, tmp_path / "out", shard_samples=2)


def test_the_command_packs_on_a_scheduler(dask, photos, tmp_path, capsys):
    pytest.importorskip("distributed")
    call = ["pack", "images", str(photos / "labels.csv"), "--image", "file", "--size", "8x8"]
    call += ["--label", "label", "--shard-samples", "5", "--split", "0.2"]
    assert main([*call, "-o", str(tmp_path / "one"), "--workers", "1"]) == 0
    assert main([*call, "-o", str(tmp_path / "two"), "--scheduler", dask.address]) == 0
    for part in ("train", "val"):
        assert read_files(tmp_path / "two" / part) == read_files(tmp_path / "one" / part)


def test_ray_writes_the_same_bytes_also_if_a_worker_is_killed(photos, tmp_path):
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    ray.init(
        num_cpus=2, include_dashboard=False, runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}}
    )
    register_ray()
    unchanged = lambda sample, rng: sample  # noqa: E731
    try:
        pids = tmp_path / "pids"
        pids.write_text("")

        def kill_one() -> None:
            wait_for(lambda: len(pids.read_text().split()) > 6, 60)
            packed_by = {int(pid) for pid in pids.read_text().split()} - {os.getpid()}
            os.kill(packed_by.pop(), signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        with joblib.parallel_config(backend="ray"):
            pack(SlowNumbers(pids, 0.1), tmp_path / "killed", shard_samples=2)
            pack(open_table(photos), tmp_path / "of two", shard_samples=6, augment=unchanged)
        killer.join()
    finally:
        ray.shutdown()
    pack(SlowNumbers(pids, 0), tmp_path / "one", shard_samples=2, workers=1)
    assert read_files(tmp_path / "killed") == read_files(tmp_path / "one")
    pack(open_table(photos), tmp_path / "of one", shard_samples=6, workers=1, augment=unchanged)
    assert read_files(tmp_path / "of two") == read_files(tmp_path / "of one")
