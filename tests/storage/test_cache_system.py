"""A cache on a disk that is full, under limits of the system, and after a fork."""

import shutil
import subprocess

import pytest

from tests.helpers.programs import ended, program, started

pytestmark = pytest.mark.slow

SETUP = """
import os, signal, sys, threading, time, zlib
from pathlib import Path
import fsspec
from keras_bigdata.errors import StorageError
from keras_bigdata.storage.cache.cache_directory import cache_directory
from keras_bigdata.storage.cache.cache_entry import entry_name
from keras_bigdata.storage.cache.open_copy import open_copy
from keras_bigdata.storage.paths.remote_path import CacheSettings, RemotePath

data = {n: bytes([n]) * 300_000 for n in range(8)}
for n in data:
    fsspec.filesystem("memory").pipe_file(f"memory://b/s/{n}.pkl", data[n])
cache = CacheSettings(sys.argv[1], None)
path = lambda n: RemotePath(f"memory://b/s/{n}.pkl", cache=cache)

def opened(n):
    return open_copy(path(n), len(data[n]), zlib.crc32(data[n]))

def read(n):
    with opened(n) as copy:
        assert copy.open().read() == data[n]

def files():
    return [f for f in Path(cache.directory).rglob("*") if f.is_file()]

"""


def run(tmp_path, text, cache):
    process = started(program(tmp_path, SETUP + text), cache)
    out, error, _ = ended(process, 60)
    assert process.returncode == 0, error
    assert out == "right\n", error


@pytest.fixture
def small_disk(tmp_path):
    """Returns a disk of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.call(command, stderr=subprocess.DEVNULL):
        pytest.skip("a disk can only be mounted by root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk(tmp_path, small_disk):
    run(
        tmp_path,
        """
for n in range(8):
    read(n)  # only three fit
    assert len(files()) <= 3
held = [opened(n) for n in (5, 6, 7)]
try:
    read(0)
except StorageError as error:
    assert "disk is full" in str(error), error
    assert "cache_bytes" in str(error)
else:
    raise AssertionError("no error")
assert len(files()) == 3
held.pop()
read(0)
print("right")
""",
        small_disk,
    )


def test_a_disk_that_others_have_filled(tmp_path, small_disk):
    (small_disk / "mine").write_bytes(bytes(900_000))
    run(
        tmp_path,
        """
for attempt in range(2):
    try:
        read(0)
    except StorageError as error:
        assert "disk is full" in str(error), error
    else:
        raise AssertionError("no error")
    assert files() == [Path(cache.directory, "mine")]
Path(cache.directory, "mine").unlink()
read(0)
print("right")
""",
        small_disk,
    )


def test_a_limit_of_the_size_of_files(tmp_path):
    run(
        tmp_path,
        """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    read(0)
except StorageError as error:
    assert "ulimit -f" in str(error), error
else:
    raise AssertionError("no error")
assert files() == []
print("right")
""",
        tmp_path / "cache",
    )


def test_a_forked_child_neither_blocks_the_cache_nor_keeps_a_download_alive(tmp_path):
    run(
        tmp_path,
        """
directory = cache_directory(cache.directory)
name = entry_name(path(0), len(data[0]), zlib.crc32(data[0]))
pids, ready = os.pipe()
middle = os.fork()
if middle == 0:  # is killed while it downloads and has locked the directory
    directory.begin_download(name, len(data[0]), None, None)
    with directory._locked():
        child = os.fork()
        if child == 0:
            time.sleep(100)
            os._exit(0)
        os.write(ready, child.to_bytes(8, "little"))
        time.sleep(100)
child = int.from_bytes(os.read(pids, 8), "little")
assert len(files()) == 1
os.kill(middle, signal.SIGKILL)
os.waitpid(middle, 0)
start = time.monotonic()
read(0)
assert time.monotonic() - start < 50
os.kill(child, 0)  # still runs
os.kill(child, signal.SIGKILL)
assert len(files()) == 1

# A child reads through the cache although a thread had locked it at the fork.
locked, over = threading.Event(), threading.Event()
def lock():
    with directory._locked():
        locked.set()
        over.wait()
thread = threading.Thread(target=lock)
thread.start()
locked.wait()
child = os.fork()
if child == 0:
    status = 1
    try:
        read(0)
        read(1)
        status = 0
    finally:
        os._exit(status)
time.sleep(0.2)
over.set()
thread.join()
assert os.waitpid(child, 0)[1] == 0
read(1)
print("right")
""",
        tmp_path / "cache",
    )
