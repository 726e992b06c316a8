"""Ctrl-C and kills of the process that packs, and a second one in the same directory."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata import ShardIndex, pack
from keras_bigdata.cli import main
from keras_bigdata.packing.state.manifest import CONTINUE
from tests.helpers.packs import read_files
from tests.helpers.paths import ROOT
from tests.helpers.waiting import is_running, wait_for

# Ctrl-C


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("shards_done", [0, 3])
@pytest.mark.parametrize("whole_group", [False, True])
def test_ctrl_c_while_processes_pack(
    start_pack, tmp_path: Path, whole_group: bool, shards_done: int
):
    """A terminal sends Ctrl-C to the workers too, which may be just starting."""
    with start_pack(tmp_path / "at once") as process:
        process.communicate()
    (tmp_path / "pids").unlink()
    out = tmp_path / "out"
    # Not finished before the interrupt, however slow the machine is.
    with start_pack(out, 2, seconds_per_row=0.04, start_new_session=True) as process:
        wait_for(lambda: out.exists() and len(list(out.glob("shard-*.pkl"))) >= shards_done)
        if not shards_done:
            time.sleep(0.1)
        if whole_group:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT)
        started = time.monotonic()
        _, errors = process.communicate(timeout=30)
    assert time.monotonic() - started < 15
    assert f"shards are done. {CONTINUE}" in errors
    # The process in which loky removes semaphores may find one removed, and says so at any time
    # (seen once in some hundred runs).
    own, _, tracked = errors.rpartition("KeyboardInterrupt")
    assert own, errors
    assert not tracked.strip() or "resource_tracker" in tracked, errors
    assert errors.count("Traceback") == 1, errors
    if shards_done:
        pids = {int(pid) for pid in (tmp_path / "pids").read_text().split()}
        wait_for(lambda: not any(map(is_running, pids)), 5)
    assert not list(out.glob(".tmp-*"))
    with start_pack(out, workers=2) as process:
        process.communicate()
    assert read_files(out) == read_files(tmp_path / "at once")


@pytest.mark.slow
@pytest.mark.parametrize("place", ["before the first result", "between two results"])
def test_ctrl_c_outside_joblib_prints_nothing_of_joblib(
    tmp_path: Path, monkeypatch, caplog, recwarn, place: str
):
    """The executor ended while joblib still gave it tasks: a traceback for each."""
    out = tmp_path / "out"
    held: list[BaseException] = []

    def press() -> None:
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def blocked() -> Iterator[None]:
        yield
        wait_for(lambda: list(out.glob("shard-*.pkl")))
        press()

    def track(results: Iterator[Any], *_: Any) -> Iterator[Any]:
        yield next(results)
        press()

    name, function = {
        "before the first result": ("interrupts_blocked", blocked),
        "between two results": ("track", track),
    }[place]
    with monkeypatch.context() as patch:
        patch.setattr(f"keras_bigdata.packing.workers.parallel.{name}", function)
        try:
            pack(SlowRows(), out, shard_samples=2, workers=2, verbose=0)
        except KeyboardInterrupt as error:
            held.append(error)  # as the traceback is, while it is printed
    assert held
    done = sorted(out.glob("shard-*.pkl"))
    time.sleep(0.3)  # three rows' time
    assert sorted(out.glob("shard-*.pkl")) == done
    del held[:]
    gc.collect()
    assert not recwarn.list
    assert not caplog.records
    assert len(pack(SlowRows(0), out, shard_samples=2, workers=2)) == 30


class SlowRows:
    """Sixty rows that take a tenth of a second each."""

    def __init__(self, seconds: float = 0.1) -> None:
        self.seconds = seconds

    def __len__(self) -> int:
        return 60

    def __getitem__(self, row: int) -> dict[str, Any]:
        time.sleep(self.seconds)
        return {"x": np.full(30, row), "labels": row % 4}

    def fingerprint(self) -> dict[str, Any]:
        return {"kind": "SlowRows"}


def test_ctrl_c_on_the_command_line_is_no_traceback(tmp_path: Path, monkeypatch, capsys):
    def pressed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_bigdata.packing.pack.pack", pressed)
    (tmp_path / "cat").mkdir()
    from PIL import Image

    Image.new("RGB", (4, 4)).save(tmp_path / "cat" / "1.png")
    call = ["pack", "images", str(tmp_path), "-o", str(tmp_path / "out"), "--size", "4x4"]
    assert main(call) == 130
    assert "Run the same command again to continue" in capsys.readouterr().err


# Two packs


@pytest.mark.slow
def test_of_two_packs_that_begin_at_once_one_is_refused(tmp_path: Path):
    script = tmp_path / "two.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            sys.path.insert(0, sys.argv[2])
            from keras_bigdata import PackError, pack
            from tests.packing.test_pack_faults import Rows

            class Slow(Rows):
                def __getitem__(self, row):
                    time.sleep(0.02)
                    return super().__getitem__(row)

                def fingerprint(self):
                    return {"kind": "Slow"}

            print("ready", flush=True)
            sys.stdin.readline()
            try:
                pack(Slow(), sys.argv[1], shard_samples=5, workers=1)
            except PackError as error:
                sys.exit(f"PackError: {error}")
            """
        )
    )
    two = [
        subprocess.Popen(
            [sys.executable, script, tmp_path / "out", ROOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in two:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in two:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in two]
    refused = [text for text in errors if text]
    assert sorted(process.returncode for process in two) == [0, 1], errors
    assert "is being packed by" in refused[0]
    assert "Wait for it, or end it first" in refused[0]
    index = ShardIndex.load(tmp_path / "out")
    rows = [
        int(value)
        for name in index.names
        for value in pickle.loads((tmp_path / "out" / name).read_bytes())["x"][:, 0]
    ]
    assert sorted(rows) == list(range(30))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_a_kill_before_the_workers_have_a_task_leaves_no_orphans(tmp_path: Path):
    script = tmp_path / "slow_to_send.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            from keras_bigdata import pack

            class SlowToSend:
                def __len__(self):
                    return 100

                def __getitem__(self, row):
                    return {"x": row}

                def __getstate__(self):
                    time.sleep(60)
                    return {}

            if __name__ == "__main__":
                pack(SlowToSend(), sys.argv[1], shard_samples=5, workers=2)
            """
        )
    )
    with subprocess.Popen(
        [sys.executable, script, tmp_path / "out"], start_new_session=True
    ) as process:
        wait_for(lambda: len(workers_of_session(process.pid)) == 2)
        time.sleep(0.5)
        process.kill()
    wait_for(lambda: not workers_of_session(process.pid), 10)


def workers_of_session(session: int) -> list[int]:
    """Returns the worker processes of joblib in a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == session
            if ours and b"LokyProcess" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (OSError, ValueError):  # ended meanwhile
            continue
    return found
