"""Programs that tests start in a process group of their own, and watch from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT


def program(tmp_path, text):
    """Writes a program and returns its path."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(text))
    return path


def started(path, *arguments, backend=None, **options):
    """Starts a program and returns its process, which leads a new process group."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if backend:
        environment["KERAS_BACKEND"] = backend
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", str(path), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,  # a group of its own, as from a terminal
        **options,
    )


def ended(process, seconds):
    """Returns standard output, standard error and the seconds until a process ended."""
    start = time.monotonic()
    try:
        out, error = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, error = process.communicate()
        pytest.fail(f"still running after {seconds} s\n{out}\n{error}")
    return out, error, time.monotonic() - start


def group(leader):
    """Returns the ids of the processes of a group that are alive."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def none_left(leader, seconds=3):
    """Returns whether the processes of a group end in time, and unlink their semaphores."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        shared = [name for name in os.listdir("/dev/shm") if f"-{leader}-" in name]
        if not group(leader) and not shared:
            return True
        time.sleep(0.05)
    return False


def environment_of(backend: str, folder: Path) -> dict[str, str]:
    """Returns the environment of programs that run one after the other on a backend.

    JAX keeps compiled functions in the folder, so that the next program does not compile them.
    """
    return {
        **os.environ,
        "KERAS_BACKEND": backend,
        "JAX_COMPILATION_CACHE_DIR": str(folder / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
