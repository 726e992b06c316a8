"""Packing in a cluster that was chosen with `joblib.parallel_config`: what needs no real one."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from joblib.parallel import ThreadingBackend

from keras_bigdata import PackError, pack
from keras_bigdata.packing.state import cluster_run
from keras_bigdata.packing.state.cluster_run import ClusterRun
from keras_bigdata.packing.state.manifest import CONTINUE
from keras_bigdata.packing.workers import cluster
from keras_bigdata.packing.workers.shard_jobs import JobSettings, ShardJob, run_job_list, run_jobs
from keras_bigdata.shards.index.unfinished import UNFINISHED
from tests.helpers.packs import read_files
from tests.packing.small_sources import Numbers, open_table


class ThreadCluster(ThreadingBackend):
    """Counts as a cluster, as every backend that is not one of joblib's own."""


class ActorDiedError(Exception):
    """Named as Ray's error."""


@pytest.fixture
def on_cluster() -> Any:
    joblib.register_parallel_backend("threads of a cluster", ThreadCluster)
    with joblib.parallel_config(backend="threads of a cluster", n_jobs=2):
        yield


def test_a_cluster_writes_the_same_bytes(on_cluster, tmp_path: Path, monkeypatch):
    pack(Numbers(), tmp_path / "one", shard_samples=3, workers=1)
    monkeypatch.chdir(tmp_path)
    pack(Numbers(), "several", shard_samples=3)
    assert read_files(tmp_path / "several") == read_files(tmp_path / "one")
    assert not (tmp_path / "several" / UNFINISHED).exists()
    # Other tests of this process may have threads that fetch shards.
    assert "keras_bigdata-cluster" not in [each.name for each in threading.enumerate()]


def test_what_cannot_be_sent_is_named(on_cluster, tmp_path: Path):
    source = Numbers()
    source.log = open(tmp_path / "log", "w")  # noqa: SIM115
    with source.log, pytest.raises(PackError, match=r"Numbers\).*attribute `log` of type .*IO"):
        pack(source, tmp_path / "out", shard_samples=3)
    assert not (tmp_path / "out").exists()

    lock = threading.Lock()

    def augment(sample, rng):
        with lock:
            return sample

    augment.fingerprint = dict  # type: ignore[attr-defined]
    with pytest.raises(PackError, match=r"`augment` cannot be sent.*when a row is read"):
        pack(Numbers(), tmp_path / "out", shard_samples=3, augment=augment)


def test_a_worker_that_does_not_see_the_files(on_cluster, photos: Path, tmp_path, monkeypatch):
    table = open_table(photos)
    monkeypatch.setattr(cluster_run, "_existing_file", lambda files: "photos/1.jpg")
    message = r"does not see photos/1.jpg, which the source reads.*create the source with absolute"
    with pytest.raises(PackError, match=message):
        pack(table, tmp_path / "out", shard_samples=6, on_error="skip")
    monkeypatch.undo()
    assert pack(table, tmp_path / "out", shard_samples=6).num_samples == len(table)


def test_a_worker_that_does_not_see_the_directory(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(cluster_run, "_VISIBLE_SECONDS", 0.0)
    run = ClusterRun("token", cluster_run.installed_versions(), None)
    problem = run.check(tmp_path / "elsewhere")
    assert "elsewhere: worker" in str(problem)
    assert "does not see this directory" in str(problem)
    assert "a disk that all workers share" in str(problem)


def test_a_worker_with_another_version(on_cluster, tmp_path: Path, monkeypatch):
    begin = ClusterRun.begin

    def begin_elsewhere(directory: Path, files: Any) -> ClusterRun:
        run = begin(directory, files)
        return ClusterRun(run.token, {**run.versions, "numpy": "1.2.3"}, run.file)

    monkeypatch.setattr(ClusterRun, "begin", begin_elsewhere)
    with pytest.raises(PackError, match=rf"has numpy {np.__version__}.*packs has 1\.2\.3"):
        pack(Numbers(), tmp_path / "out", shard_samples=3)


def test_a_task_of_a_call_that_is_over_writes_nothing(on_cluster, tmp_path: Path, monkeypatch):
    """A worker may still run it while another call packs into the same directory."""
    sent = []
    check = ClusterRun.check

    def remember(self: ClusterRun, directory: Path) -> PackError | None:
        sent.append(self)
        return check(self, directory)

    monkeypatch.setattr(ClusterRun, "check", remember)
    pack(Numbers(), tmp_path / "out", shard_samples=3)
    late = sent[0]
    (tmp_path / "out" / UNFINISHED).mkdir()
    second = ClusterRun.begin(tmp_path / "out", [])
    assert second.is_current(tmp_path / "out")
    assert not late.is_current(tmp_path / "out")

    class Settings:
        directory, run = tmp_path / "out", late

    assert list(run_jobs(Settings, [object()])) == []  # type: ignore[arg-type, list-item]


@pytest.mark.parametrize("deaths", [1, 5])
def test_workers_that_end_are_replaced_unless_all_do(
    on_cluster, tmp_path: Path, monkeypatch, deaths: int
):
    left = [deaths]

    def run_or_die(settings: JobSettings, jobs: list[ShardJob]) -> Any:
        if jobs[0].number == 0 and left[0]:
            left[0] -= 1
            raise ActorDiedError("The actor died unexpectedly")
        return run_job_list(settings, jobs)

    monkeypatch.setattr("keras_bigdata.packing.workers.parallel.run_job_list", run_or_die)
    if deaths > 3:
        with pytest.raises(
            PackError, match=f"before their shards were done.*{re.escape(CONTINUE)}"
        ):
            pack(Numbers(), tmp_path / "out", shard_samples=3)
        left[0] = 0
    pack(Numbers(), tmp_path / "out", shard_samples=3)
    assert left == [0]
    pack(Numbers(), tmp_path / "one", shard_samples=3, workers=1)
    assert read_files(tmp_path / "out") == read_files(tmp_path / "one")


def test_no_connection_to_a_cluster(on_cluster, tmp_path: Path, monkeypatch):
    def fail(*_: Any, **__: Any) -> int:
        raise RuntimeError("Ray has not been started yet")

    monkeypatch.setattr(ThreadCluster, "effective_n_jobs", fail)
    with pytest.raises(PackError, match=r"not been started yet.*ray\.init\(\)"):
        pack(Numbers(), tmp_path / "out", shard_samples=3)


def test_a_backend_of_joblib_is_not_a_cluster():
    assert not cluster.is_cluster_active()
    with joblib.parallel_config(backend="threading"):
        assert not cluster.is_cluster_active()
