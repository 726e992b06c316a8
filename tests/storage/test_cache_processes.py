"""Processes that share a cache, and are killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.programs import ended
from tests.helpers.remote_files import content, files_of
from tests.helpers.web_server import WebServer

pytestmark = pytest.mark.slow
SIZE = 200_000
FILES = 40


def write_set(directory, version):
    """Writes another version of the set: files first, the manifest last, each atomically."""
    manifest = {}
    for number in range(FILES):
        data = content(1000 * version + number, SIZE)
        (directory / "new").write_bytes(data)
        os.replace(directory / "new", directory / f"{number}.pkl")
        manifest[f"{number}.pkl"] = [len(data), zlib.crc32(data)]
    (directory / "new").write_text(json.dumps(manifest))
    os.replace(directory / "new", directory / "manifest.json")


@pytest.fixture
def directory(tmp_path):
    """Returns the directory of a set of 40 files of 200 kB."""
    (tmp_path / "set").mkdir()
    write_set(tmp_path / "set", 0)
    return tmp_path / "set"


def start(what, server, cache, max_bytes, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.cache_users", what, server.url, str(cache)]
        + [str(each) for each in (max_bytes, *arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


def fetched(server):
    """Returns the name of the file of each request for content."""
    return [path[1:] for method, path, _ in server.requests if method == "GET"]


def end(process):
    process.kill()
    process.communicate()


def test_50_kills_lose_nothing_while_the_set_is_replaced(directory, tmp_path):
    max_bytes = 8 * SIZE
    with WebServer(directory) as server:
        server.faults.latency = 0.005
        process = start("kill", server, tmp_path / "cache", max_bytes, 50)
        over = threading.Event()

        def replace():
            version = 1
            while not over.wait(1.0):
                write_set(directory, version)
                version += 1

        thread = threading.Thread(target=replace)
        thread.start()
        try:
            process.wait(200)
        finally:
            over.set()
            thread.join()
        out, error, _ = ended(process, 1)
    assert process.returncode == 0, error
    found = json.loads(out)
    assert found["largest"] <= max_bytes
    assert found["largest"] >= max_bytes - 2 * SIZE, "the cache was not full"
    assert found["left"] > 0, "no download was killed"
    assert found["at_end"] == 0, "temporary files are left"


def test_processes_that_want_the_same_files_fetch_them_once(directory, tmp_path):
    names = [f"{number}.pkl" for number in range(FILES)]
    with WebServer(directory) as server:
        server.faults.latency = 0.05
        processes = [start("read", server, tmp_path / "cache", 0, *names) for _ in range(3)]
        for process in processes:
            _, error, _ = ended(process, 100)
            assert process.returncode == 0, error
        requests = Counter(fetched(server))
    assert {name: requests[name] for name in names} == dict.fromkeys(names, 1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_download_is_taken_over_from_a_process_that_ends(directory, tmp_path, number):
    with WebServer(directory) as server, contextlib.ExitStack() as at_end:
        server.faults.only, server.faults.latency = "0.pkl", 60.0
        first = start("read", server, tmp_path / "cache", 0, "0.pkl")
        at_end.callback(end, first)
        while "0.pkl" not in fetched(server):
            assert first.poll() is None
            time.sleep(0.001)
        second = start("read", server, tmp_path / "cache", 0, "0.pkl")
        at_end.callback(end, second)
        server.faults.latency = 0.0
        assert second.stdout.readline() == "ready\n"
        time.sleep(0.5)
        assert fetched(server).count("0.pkl") == 1, "the second process waits for the first one"
        assert second.poll() is None
        os.kill(first.pid, number)
        first.communicate()
        _, error, _ = ended(second, 20)
    assert second.returncode == 0, error
    assert fetched(server).count("0.pkl") == 2
    assert len(files_of(tmp_path / "cache")) == 1
