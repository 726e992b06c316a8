"""A pack that was stopped is continued by the same call, and ends with the same bytes."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keras_bigdata import PackError, ShardIndex, pack
from keras_bigdata.packing.state.manifest import CONTINUE
from tests.helpers.packs import read_files
from tests.helpers.waiting import is_running, wait_for
from tests.packing.conftest import PHOTOS
from tests.packing.small_sources import Numbers, break_photos, open_table


@pytest.fixture
def unfinished(photos: Path, tmp_path: Path) -> Path:
    """A directory in which some shards are done and one could not be written."""
    hidden = (photos / "40.jpg").rename(photos / "hidden")
    with pytest.raises(PackError, match=f"row 40.*{CONTINUE}"):
        pack(open_table(photos), tmp_path / "out", shard_samples=6, workers=1)
    hidden.rename(photos / "40.jpg")
    done = sorted(name for name in read_files(tmp_path / "out") if name.endswith(".pkl"))
    assert 0 < len(done) < PHOTOS // 6
    return tmp_path / "out"


def test_the_same_call_continues(photos: Path, tmp_path: Path, unfinished: Path):
    first = unfinished / "shard-00000.pkl"
    stamp = first.stat().st_mtime_ns
    pack(open_table(photos), unfinished, shard_samples=6)
    assert first.stat().st_mtime_ns == stamp
    pack(open_table(photos), tmp_path / "at once", shard_samples=6)
    assert read_files(unfinished) == read_files(tmp_path / "at once")
    assert not (unfinished / ".packing").exists()


def test_shards_that_were_damaged_meanwhile_are_written_again(
    photos: Path, tmp_path: Path, unfinished: Path
):
    pack(open_table(photos), tmp_path / "at once", shard_samples=6)
    shard = unfinished / "shard-00000.pkl"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    for record in sorted((unfinished / ".packing").glob("shard-*.json"))[1:]:
        record.write_text("{")
    (unfinished / ".tmp-12345678-shard-00009.pkl").write_text("left by a kill")
    pack(open_table(photos), unfinished, shard_samples=6)
    assert read_files(unfinished) == read_files(tmp_path / "at once")


def test_rows_left_out_before_a_stop_are_an_error_to_a_call_that_raises(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(self: ShardIndex) -> None:
        raise OSError(28, "No space left on device")

    break_photos(photos)
    out = tmp_path / "out"
    options: dict[str, Any] = {"shard_samples": 6, "on_error": "skip", "workers": 1}
    with monkeypatch.context() as patched:
        patched.setattr(ShardIndex, "save", full)
        with pytest.raises(PackError, match=r"cannot be written: .*No space left"):
            pack(open_table(photos), out, **options)
    assert len(list((out / ".packing").glob("shard-*.json"))) == PHOTOS // 6
    with pytest.raises(PackError, match=r"row (10|21|30): "):
        pack(open_table(photos), out, shard_samples=6, workers=1)
    pack(open_table(photos), out, **options)
    pack(open_table(photos), tmp_path / "at once", **options)
    assert read_files(out) == read_files(tmp_path / "at once")


def test_another_call_does_not_continue(photos: Path, unfinished: Path):
    before = read_files(unfinished)
    with pytest.raises(PackError, match=r"unfinished pack of another call.*shard_samples was 6"):
        pack(open_table(photos), unfinished, shard_samples=7)
    with pytest.raises(PackError, match=r"source.rows was 60 and is 48"):
        pack(open_table(photos).split(0.2)[0], unfinished, shard_samples=6)
    assert read_files(unfinished) == before


def test_a_call_that_wrote_no_shard_is_forgotten(photos: Path, tmp_path: Path):
    (photos / "0.jpg").rename(photos / "hidden")
    for seed in (0, 1):
        with pytest.raises(PackError, match=r"row 0: .*0\.jpg"):
            pack(open_table(photos), tmp_path / "out", shard_samples=PHOTOS, seed=seed)
    assert not (tmp_path / "out").exists()


def test_a_kill_between_the_index_and_the_end(photos: Path, tmp_path: Path, unfinished: Path):
    state = {entry.name: entry.read_bytes() for entry in (unfinished / ".packing").iterdir()}
    pack(open_table(photos), unfinished, shard_samples=6)
    (unfinished / ".packing").mkdir()
    for name, content in state.items():
        (unfinished / ".packing" / name).write_bytes(content)
    pack(open_table(photos), unfinished, shard_samples=6)
    assert not (unfinished / ".packing").exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_kills_at_any_time_cost_nothing_but_time(start_pack, tmp_path: Path):
    with start_pack(tmp_path / "at once") as process:
        process.communicate()
        assert process.returncode == 0
    out = tmp_path / "out"
    for done in (2, 9):
        with start_pack(out, workers=2) as process:
            wait_for(lambda done=done: len(list(out.glob("shard-*.pkl"))) >= done)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert not (out / "index.json").exists()
        # The workers end too, and do not continue to write during the next run.
        pids = {int(pid) for pid in (tmp_path / "pids").read_text().split()}
        wait_for(lambda pids=pids: not any(map(is_running, pids)), 5)
    with start_pack(out, workers=2) as process:
        process.communicate()
        assert process.returncode == 0
    assert read_files(out) == read_files(tmp_path / "at once")
    assert not (out / ".packing").exists()


@pytest.mark.slow
def test_ctrl_c_says_how_to_continue(start_pack, tmp_path: Path):
    out = tmp_path / "out"
    with start_pack(out) as process:
        wait_for(lambda: len(list(out.glob("shard-*.pkl"))) >= 2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert f"shards are done. {CONTINUE}" in errors
    assert not list(out.glob(".tmp-*"))
    with start_pack(out) as process:
        process.communicate()
    assert ShardIndex.load(out).num_samples == 120


@pytest.mark.slow
def test_two_packs_into_one_directory(start_pack, tmp_path: Path):
    out = tmp_path / "out"
    # Long enough for the second process to start, however slow the machine is.
    with start_pack(out, seconds_per_row=0.04) as process:
        wait_for(lambda: len(list(out.glob("shard-*.pkl"))) >= 2)
        with start_pack(out) as second:
            _, errors = second.communicate()
        assert second.returncode == 1
        assert f"is being packed by process {process.pid} on" in errors
        process.communicate()
        assert process.returncode == 0
    assert ShardIndex.load(out).num_samples == 120


class Dying(Numbers):
    """Its process is killed, as the system does for lack of memory."""

    def __init__(self, parent: int) -> None:
        super().__init__()
        self.parent = parent

    def __getitem__(self, row: int) -> dict[str, Any]:
        if row == 13 and os.getpid() != self.parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(row)


@pytest.mark.filterwarnings("ignore::UserWarning")  # joblib's, about a worker that was killed
def test_a_worker_that_dies_is_an_error_and_the_call_can_be_repeated(tmp_path: Path):
    with pytest.raises(PackError, match=rf"a worker process ended .*`workers=1`.*{CONTINUE}"):
        pack(Dying(os.getpid()), tmp_path / "out", shard_samples=2, workers=2)
    assert not list((tmp_path / "out").glob(".tmp-*")) if (tmp_path / "out").exists() else True
    index = pack(Dying(os.getpid()), tmp_path / "out", shard_samples=2, workers=1)
    assert index.num_samples == 20


# Full disks


FULL = """
    import resource, sys
    import numpy as np
    from keras_bigdata import Arrays, PackError, pack

    limit = int(sys.argv[2])
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    x = np.arange(200_000, dtype=np.int64).reshape(-1, 1000)
    x[50:] = 0
    try:
        pack(Arrays(x=x), sys.argv[1], shard_samples=10, workers=int(sys.argv[3]))
    except PackError as error:
        sys.exit(f"PackError: {error}")
"""


def pack_arrays(script: Path, directory: Path, limit: int = 0, workers: int = 1) -> str:
    script.write_text(textwrap.dedent(FULL))
    done = subprocess.run(
        [sys.executable, script, directory, str(limit), str(workers)],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stderr


@pytest.fixture(scope="module")
def packed_at_once(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a pack of these arrays that was not stopped."""
    folder = tmp_path_factory.mktemp("arrays")
    assert pack_arrays(folder / "script.py", folder / "at once") == ""
    return read_files(folder / "at once")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes")
def test_a_file_size_limit_while_packing(tmp_path: Path, packed_at_once: dict[str, bytes]):
    out, script = tmp_path / "out", tmp_path / "script.py"
    errors = pack_arrays(script, out, limit=50_000)
    assert errors.startswith("PackError: ")
    assert str(out) in errors
    assert "File too large" in errors
    assert CONTINUE in errors
    assert not out.exists() or not [name for name in read_files(out) if name != ".packing"]
    assert pack_arrays(script, out) == ""
    assert read_files(out) == packed_at_once


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("cannot mount a small disk here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.slow
def test_a_full_disk_while_packing(tmp_path: Path, packed_at_once: dict[str, bytes]):
    disk, script = tmp_path / "disk", tmp_path / "script.py"
    with small_disk(disk, "700k"):
        errors = pack_arrays(script, disk / "out", workers=2)
        assert errors.startswith("PackError: ")
        assert str(disk / "out") in errors
        assert "No space left" in errors
        names = list(read_files(disk / "out"))
        assert names  # some shards are done ...
        for name in names:  # ... and whole
            assert len(pickle.loads((disk / "out" / name).read_bytes())["x"]) == 10
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        assert pack_arrays(script, disk / "out") == ""
        assert read_files(disk / "out") == packed_at_once


def test_a_directory_that_cannot_be_written(tmp_path: Path):
    with small_disk(tmp_path / "disk", "1m"):
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        with pytest.raises(PackError, match=r"cannot be written.*Read-only file system"):
            pack(Numbers(), tmp_path / "disk" / "out")
