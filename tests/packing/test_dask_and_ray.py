"""Packing on real clusters: a Dask scheduler with two worker processes, and Ray on this machine."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import joblib
import pytest

from keras_bigdata import PackError, pack
from keras_bigdata.cli import main
from keras_bigdata.packing.workers import cluster
from tests.helpers.dask_processes import DaskProcesses, SlowNumbers, ray_of_two
from tests.helpers.packs import read_files
from tests.helpers.waiting import is_running, wait_for
from tests.packing.small_sources import Numbers, open_table

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


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


def test_workers_without_the_package(tmp_path):
    pytest.importorskip("distributed")
    from distributed import Client

    package = tmp_path / "path" / "keras_bigdata"
    package.mkdir(parents=True)
    text = "raise ModuleNotFoundError(\"No module named 'keras_bigdata'\")\n"
    (package / "__init__.py").write_text(text)
    (tmp_path / "workers").mkdir()
    processes = DaskProcesses(tmp_path / "workers", path=package.parent)
    try:
        with (
            Client(processes.address),
            joblib.parallel_config(backend="dask"),
            pytest.raises(
                PackError, match=r"No module named 'keras_bigdata'\).*Install the module"
            ),
        ):
            pack(Numbers(), tmp_path / "out", shard_samples=2)
    finally:
        processes.end()


def test_the_command_packs_on_a_scheduler(dask, photos, tmp_path, capsys):
    pytest.importorskip("distributed")
    call = ["pack", "images", str(photos / "labels.csv"), "--image", "file", "--size", "8x8"]
    call += ["--label", "label", "--shard-samples", "5", "--split", "0.2"]
    assert main([*call, "-o", str(tmp_path / "one"), "--workers", "1"]) == 0
    assert main([*call, "-o", str(tmp_path / "two"), "--scheduler", dask.address]) == 0
    for part in ("train", "val"):
        assert read_files(tmp_path / "two" / part) == read_files(tmp_path / "one" / part)


def test_ray_writes_the_same_bytes_also_if_a_worker_is_killed(photos, tmp_path):
    unchanged = lambda sample, rng: sample  # noqa: E731
    pids = tmp_path / "pids"
    pids.write_text("")

    def kill_one() -> None:
        wait_for(lambda: len(pids.read_text().split()) > 6, 60)
        packed_by = {int(pid) for pid in pids.read_text().split()} - {os.getpid()}
        os.kill(packed_by.pop(), signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    with ray_of_two(), joblib.parallel_config(backend="ray"):
        killer.start()
        pack(SlowNumbers(pids, 0.1), tmp_path / "killed", shard_samples=2)
        pack(open_table(photos), tmp_path / "of two", shard_samples=6, augment=unchanged)
    killer.join()
    pack(SlowNumbers(pids, 0), tmp_path / "one", shard_samples=2, workers=1)
    assert read_files(tmp_path / "killed") == read_files(tmp_path / "one")
    pack(open_table(photos), tmp_path / "of one", shard_samples=6, workers=1, augment=unchanged)
    assert read_files(tmp_path / "of two") == read_files(tmp_path / "of one")
