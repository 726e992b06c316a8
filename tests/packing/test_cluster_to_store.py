"""Packing on Dask and Ray into an object store: no disk is shared, and no key is shown."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest

from keras_bigdata import PackError, ShardIndex, pack
from keras_bigdata.cli import main
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.urls.storage_options import StorageOptions
from tests.helpers.dask_processes import SlowNumbers, ray_of_two
from tests.helpers.packs import read_files
from tests.helpers.packs_in_stores import read_store
from tests.helpers.s3_server import S3Server
from tests.helpers.waiting import wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    pytest.importorskip("moto")
    server = S3Server()
    yield server
    server.close()


def texts_of_scheduler(dask_scheduler: Any) -> str:
    """What the pages of Dask's dashboard and its logs show of tasks."""
    shown = [dask_scheduler.get_logs(), list(dask_scheduler.transition_log)]
    for task in dask_scheduler.tasks.values():
        names = "key", "group_key", "prefix", "exception_text", "traceback_text", "annotations"
        shown.append([str(getattr(task, name, None)) for name in names])
    shown += [str(each.code) for each in dask_scheduler.computations]
    return repr(shown)


def kill_when_reading(pids: Path, process: Any) -> threading.Thread:
    def kill() -> None:
        wait_for(lambda: len(pids.read_text().split()) > 8, 60)
        if process is not None:
            process.kill()
            return
        packed_by = {int(pid) for pid in pids.read_text().split()} - {os.getpid()}
        os.kill(packed_by.pop(), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    return killer


def test_dask_packs_into_a_store_and_a_worker_is_killed(dask, server, tmp_path, capsys):
    from distributed import Client

    pids = tmp_path / "pids"
    pids.write_text("")
    pack(SlowNumbers(pids, 0), tmp_path / "one", shard_samples=2, workers=1)
    pids.write_text("")
    url = f"{server.new_bucket()}/set"
    with Client(dask.address) as client, joblib.parallel_config(backend="dask"):
        killer = kill_when_reading(pids, dask.workers[0])
        shown = []
        watcher = threading.Thread(
            target=lambda: [
                wait_for(lambda: len(pids.read_text().split()) > 4, 60),
                shown.append(client.run_on_scheduler(texts_of_scheduler)),
            ]
        )
        watcher.start()
        options = {"storage_options": server.options, "shard_samples": 2, "verbose": 2}
        pack(SlowNumbers(pids, 0.1), url, **options)
        killer.join()
        watcher.join()
        shown.append(client.run_on_scheduler(texts_of_scheduler))
    assert dask.workers[0].wait() == -signal.SIGKILL
    assert read_store(url, server.options) == read_files(tmp_path / "one")
    assert ShardIndex.load(url, storage_options=server.options).num_samples == 60
    captured = capsys.readouterr()
    assert "60 samples in 30 shards" in captured.err
    assert "run_job_list" in shown[0]
    check_hidden(server, dask, *shown, captured.err, captured.out)


def check_hidden(server: S3Server, dask: Any, *texts: str) -> None:
    logs = [log.read_text() for log in dask.folder.glob("*.log")]
    assert len(logs) == 2
    for text in (*texts, *logs):
        assert server.secret not in text
        assert server.key not in text


def test_the_command_packs_on_a_scheduler_into_a_store(dask, server, photos, tmp_path, capfd):
    from distributed import Client

    call = ["pack", "images", str(photos / "labels.csv"), "--image", "file", "--size", "8x8"]
    call += ["--label", "label", "--shard-samples", "5"]
    assert main([*call, "-o", str(tmp_path / "one"), "--workers", "1"]) == 0
    url = f"{server.new_bucket()}/set"
    options = server.options
    call += ["--scheduler", dask.address]
    for name, value in options.items():
        text = value if isinstance(value, str) else json.dumps(value)
        call += ["--storage-option", f"{name}={text}"]
    assert main([*call, "-o", url]) == 0
    assert read_store(url, options) == read_files(tmp_path / "one")
    with Client(dask.address, set_as_default=False) as client:
        shown = client.run_on_scheduler(texts_of_scheduler)
    captured = capfd.readouterr()
    check_hidden(server, dask, shown, captured.out, captured.err)


class Unloadable:
    """An object that the workers cannot load."""

    def __reduce__(self) -> Any:
        return load_nowhere, (os.getpid(),)


def load_nowhere(pid: int) -> None:
    if os.getpid() != pid:
        raise ImportError("not here")


def test_keys_are_not_shown_when_tasks_fail(dask, server, tmp_path, capfd):
    from distributed import Client

    source = SlowNumbers(tmp_path / "pids", 0)
    source.nothing = Unloadable()  # type: ignore[attr-defined]
    url = f"{server.new_bucket()}/set"
    with Client(dask.address) as client, joblib.parallel_config(backend="dask"):
        with pytest.raises(PackError, match="cannot load the source") as caught:
            pack(source, url, shard_samples=2, storage_options=server.options)
        wrong = {**server.options, "client_kwargs": {"endpoint_url": "http://127.0.0.1:9"}}
        # The process that packs reaches the store and the workers do not.
        place = RemotePath(f"{server.new_bucket()}/set", StorageOptions(wrong))
        (problem,) = client.submit(write_there, place).result()
        shown = client.run_on_scheduler(texts_of_scheduler)
    captured = capfd.readouterr()
    check_hidden(
        server, dask, str(caught.value), repr(caught.value.__cause__), problem, shown, *captured
    )


def write_there(place: RemotePath) -> list[str]:
    try:
        (place / "a").write_bytes(b"x")
    except Exception as error:
        return [f"{error!r} {error.__cause__!r}"]
    return []


def test_ray_packs_into_a_store_and_a_worker_is_killed(server, tmp_path):
    pids = tmp_path / "pids"
    pids.write_text("")
    pack(SlowNumbers(pids, 0), tmp_path / "one", shard_samples=2, workers=1)
    pids.write_text("")
    url = f"{server.new_bucket()}/set"
    with ray_of_two(), joblib.parallel_config(backend="ray"):
        killer = kill_when_reading(pids, None)
        pack(SlowNumbers(pids, 0.1), url, shard_samples=2, storage_options=server.options)
    killer.join()
    assert read_store(url, server.options) == read_files(tmp_path / "one")
