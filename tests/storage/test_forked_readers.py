"""Forked children read from a web server, and leave the connections of their parent alone."""

import subprocess
import sys
import time

import pytest

from tests.helpers.paths import ROOT

# A program of its own: `gc.collect` in a child of the process that runs the tests collects what
# other tests have left, and functions of TensorFlow end it with a segmentation fault.
READ_IN_CHILDREN = """
import gc, multiprocessing, sys, time
from keras_bigdata.storage.paths.place import as_place

def read_in_child(path, pipe):
    data = path.read_range(0, 5)
    gc.collect()
    pipe.send(data)

path = as_place(sys.argv[1], "url") / "x"
assert path.read_range(0, 3) == b"con"
context = multiprocessing.get_context("fork")
for _ in range(2):
    ours, theirs = context.Pipe()
    child = context.Process(target=read_in_child, args=(path, theirs))
    start = time.monotonic()
    child.start()
    assert ours.poll(20)
    assert ours.recv() == b"conte"
    child.join()
    assert path.read_range(3, 7) == b"tent"
    assert time.monotonic() - start < 10
print("end")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process with threads")
def test_a_forked_child_and_its_parent_go_on_reading(web):
    """fsspec closes what it inherited: the parent waited 15 s for a connection of its own."""
    (web.directory / "x").write_bytes(b"content")
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ_IN_CHILDREN, web.url],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (result.stdout, result.stderr, result.returncode) == ("end\n", "", 0)


@pytest.mark.slow
def test_a_program_ends_quietly_while_requests_are_running(web, tmp_path):
    (web.directory / "x").write_bytes(b"content")
    web.faults.latency = 0.01
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import threading, time
from keras_bigdata.storage.copies import fetch
from keras_bigdata.storage.paths.place import as_place

path = as_place({web.url!r}, "url") / "x"
for _ in range(8):
    fetch.submit(lambda _: [path.read_range(0, 3) for _ in range(100_000)], 0)
threading.Thread(target=lambda: [path.read_bytes() for _ in range(100_000)], daemon=True).start()
time.sleep(0.3)
print("end", flush=True)
"""
    )
    start = time.monotonic()
    result = subprocess.run(
        [sys.executable, str(program)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (result.stdout, result.stderr, result.returncode) == ("end\n", "", 0)
    assert time.monotonic() - start < 20
