"""Faults of the machine while packing: kills, disks, permissions, workers."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata import PackError, ShardIndex, files, pack
from keras_bigdata.packing.state import local_pack
from keras_bigdata.packing.state.manifest import CONTINUE
from keras_bigdata.shards.writing import shard_file
from tests.helpers.packs import read_files
from tests.helpers.paths import ROOT
from tests.helpers.waiting import is_running, wait_for


class Rows:
    """30 rows, 6 shards of 5."""

    def __len__(self) -> int:
        return 30

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"x": np.full(2000, row), "labels": row % 3}


def packed(directory: Path) -> ShardIndex:
    return pack(Rows(), directory, shard_samples=5, workers=1)


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, bytes]:
    packed(tmp_path / "at once")
    return read_files(tmp_path / "at once")


# Kills


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
# Each kill starts a process. Raise the numbers to search by hand.
@pytest.mark.parametrize(("workers", "wanted_kills"), [(1, 8), (2, 20)])
def test_kills_in_a_row_at_random_moments(
    start_pack, tmp_path: Path, workers: int, wanted_kills: int
):
    with start_pack(tmp_path / "at once") as process:
        process.communicate()
    wanted = read_files(tmp_path / "at once")
    out, chance = tmp_path / "out", random.Random(workers)
    (tmp_path / "pids").unlink()
    kills, finished = 0, 0
    while kills < wanted_kills:
        done = len(list(out.glob("shard-*.pkl")))
        with start_pack(out, workers=workers) as process:
            # After it has read its first row: before that there is nothing to damage.
            read = rows_read(tmp_path)
            wait_for(
                lambda read=read, process=process: rows_read(tmp_path) > read or ended(process)
            )
            time.sleep(chance.uniform(0, 0.06))
            if not ended(process):
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.wait()
        pids = {int(pid) for pid in (tmp_path / "pids").read_text().split()}
        wait_for(lambda pids=pids: not any(map(is_running, pids)), 10)
        if (out / "index.json").exists():  # finished before the kill: begin another
            assert read_files(out) == wanted
            finished += 1
            out = tmp_path / f"out{finished}"
            continue
        left = [path for path in out.glob("shard-*.pkl")]
        assert len(left) >= done
        for path in left:
            assert path.read_bytes() == wanted[path.name]
    with start_pack(out, workers=workers) as process:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert read_files(out) == wanted
    assert not (out / ".packing").exists()


def rows_read(tmp_path: Path) -> int:
    pids = tmp_path / "pids"
    return pids.stat().st_size if pids.exists() else 0


def ended(process: subprocess.Popen[str]) -> bool:
    return process.poll() is not None


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_kill_before_and_after_each_write(tmp_path: Path, expected):
    """Forks, from a process without threads, one for each moment, which kills itself there."""
    script = tmp_path / "moments.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, signal, sys
            from pathlib import Path
            sys.path.insert(0, sys.argv[2])
            from keras_bigdata import files
            from keras_bigdata.packing.workers import shard_jobs
            from keras_bigdata.shards.writing import shard_file
            from keras_bigdata.shards.index.shard_index import ShardIndex
            from tests.helpers.packs import read_files
            from tests.packing.test_pack_faults import packed

            expected = read_files(Path(sys.argv[3]))
            calls = [
                (shard_file.AlignedOutput, "_write"), (files.os, "fsync"), (files.os, "replace"),
                (shard_jobs, "write_record"), (ShardIndex, "save"), (Path, "rmdir"),
            ]
            moments = 0
            for holder, name in calls:
                original = getattr(holder, name)
                for after in (False, True):
                    for number in (1, 2, 9):
                        out, made = Path(sys.argv[1], f"{name}-{after}-{number}"), []

                        def dying(*arguments, **options):
                            made.append(1)
                            if len(made) == number and not after:
                                os.kill(os.getpid(), signal.SIGKILL)
                            result = original(*arguments, **options)
                            if len(made) == number:
                                os.kill(os.getpid(), signal.SIGKILL)
                            return result

                        pid = os.fork()
                        if not pid:
                            setattr(holder, name, dying)
                            packed(out)
                            os._exit(0)
                        status = os.waitpid(pid, 0)[1]
                        if os.WIFEXITED(status):
                            assert os.WEXITSTATUS(status) == 0, (name, after, number)
                            assert number > 1, name
                        else:
                            moments += 1
                        for path, data in read_files(out).items() if out.exists() else ():
                            if not path.startswith(".tmp-"):
                                assert data == expected[path], (name, after, number, path)
                        packed(out)
                        assert read_files(out) == expected, (name, after, number)
                        assert not (out / ".packing").exists()
            print(moments)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, script, tmp_path / "out", ROOT, tmp_path / "at once"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 24


# Disks and permissions: at each system call that writes


CALLS = {
    "open": (shard_file, "open"),
    "write": (shard_file.AlignedOutput, "_write"),
    "fsync": (files.os, "fsync"),
    "rename": (files.os, "replace"),
    "record": (local_pack, "write_record"),
    "index": (ShardIndex, "save"),
    "directory": (Path, "mkdir"),
}

FAULTS = {
    "full": OSError(errno.ENOSPC, "No space left on device"),
    "permission": PermissionError(errno.EACCES, "Permission denied"),
    "broken": OSError(errno.EIO, "Input/output error"),
}


@pytest.mark.quick_cases(6)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", CALLS)
def test_a_write_that_fails_costs_nothing(tmp_path: Path, monkeypatch, expected, call, fault):
    """The first, second and fifth call of a function fail."""
    holder, name = CALLS[call]
    original = getattr(holder, name, open)
    times = (1, 2, 5) if call not in ("index", "directory") else (1,)
    for number in times:
        out, made = tmp_path / f"out{number}", []

        def failing(*arguments: Any, number=number, made=made, **options: Any) -> Any:
            made.append(arguments)
            if len(made) == number:
                raise FAULTS[fault]
            return original(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(holder, name, failing, raising=name != "open")
            if call == "record":
                from keras_bigdata.packing.workers import shard_jobs

                patch.setattr(shard_jobs, "write_record", failing)
            with pytest.raises(PackError) as caught:
                packed(out)
        assert FAULTS[fault].strerror in str(caught.value)
        assert str(out) in str(caught.value)
        assert CONTINUE in str(caught.value)
        assert not (out / "index.json").exists()
        for path, data in read_files(out).items() if out.exists() else ():
            assert expected[path] == data  # whole, and nothing else
        packed(out)
        assert read_files(out) == expected
        assert not (out / ".packing").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="users as on Unix")
def test_a_directory_of_another_user(tmp_path: Path):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere; see the faults above")
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(PackError, match="Permission denied"):
        packed(tmp_path / "out")


# Workers


class EndsItsWorker(Rows):
    """Ends its process at one row, unless it is the one that packs."""

    def __init__(self, parent: int, how: str) -> None:
        self.parent, self.how = parent, how

    def __getitem__(self, row: int) -> dict[str, Any]:
        if row == 17 and os.getpid() != self.parent:
            if self.how == "exit":
                os._exit(3)
            os.kill(os.getpid(), signal.SIGSEGV if self.how == "crash" else signal.SIGKILL)
        return super().__getitem__(row)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # joblib's, of a worker that was killed
@pytest.mark.parametrize("how", ["exit", "crash", "kill"])
def test_a_source_that_ends_its_worker(tmp_path: Path, expected, how: str):
    out = tmp_path / "out"
    started = time.monotonic()
    with pytest.raises(PackError) as caught:
        pack(EndsItsWorker(os.getpid(), how), out, shard_samples=5, workers=2)
    assert time.monotonic() - started < 20
    message = str(caught.value)
    assert message.startswith(f"{out}: a worker process ended")
    assert "fewer `workers`" in message
    assert "`workers=1`" in message
    assert CONTINUE in message
    pack(EndsItsWorker(os.getpid(), how), out, shard_samples=5, workers=1)
    done = read_files(out)
    assert {name: data for name, data in done.items() if name != "index.json"} == {
        name: data for name, data in expected.items() if name != "index.json"
    }
