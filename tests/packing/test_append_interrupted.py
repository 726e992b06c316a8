"""`pack(append=True)` that is stopped or killed: the former set is read until it ends."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from keras_bigdata import PackError, ShardIndex, ShardSequence, pack, verify
from keras_bigdata.packing.state import local_pack
from tests.helpers.appended_sets import pack_first, pack_more, source_of
from tests.helpers.packs import read_files
from tests.helpers.waiting import wait_for


@pytest.fixture
def interrupted(packed: Path, monkeypatch) -> Path:
    """The directory after an append that was stopped after its second shard."""
    original, written = local_pack.write_record, []

    def fail(directory: Path, record: Any) -> None:
        if len(written) == 2:
            raise OSError("no space left")
        written.append(record)
        original(directory, record)

    with monkeypatch.context() as patch:
        patch.setattr("keras_bigdata.packing.workers.shard_jobs.write_record", fail)
        with pytest.raises(PackError, match="no space left"):
            pack_more(packed)
    assert (packed / ".packing" / "manifest.json").exists()
    return packed


def test_until_its_index_is_written_the_former_set_is_read(interrupted: Path):
    report = verify(interrupted)
    assert report.ok
    assert "was stopped, or is still running: 3 shards" in str(report.notes)
    assert len(ShardSequence(interrupted, 5)) == 2
    assert pack_first(interrupted).num_samples == 10  # and does not disturb the state
    assert (interrupted / ".packing" / "manifest.json").exists()


def test_it_continues_and_ends_with_the_same_bytes(tmp_path: Path, interrupted: Path, packed: Path):
    times = {path.name: path.stat().st_mtime_ns for path in packed.glob("shard-*.pkl")}
    pack_more(interrupted)
    pack_first(tmp_path / "at once")
    pack_more(tmp_path / "at once")
    assert read_files(interrupted) == read_files(tmp_path / "at once")
    assert not (interrupted / ".packing").exists()
    unchanged = [n for n, time in times.items() if (packed / n).stat().st_mtime_ns == time]
    assert len(unchanged) == 5


def test_another_append_into_an_unfinished_one_is_refused(interrupted: Path):
    files = read_files(interrupted)
    with pytest.raises(PackError, match="unfinished pack of another call"):
        pack(source_of(["cat"], 300), interrupted, append=True)
    assert read_files(interrupted) == files


def test_a_kill_between_the_index_and_the_end(packed: Path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("keras_bigdata.packing.pack.finish_pack", lambda directory: None)
        patch.setattr(local_pack, "_remove_state", lambda state: None)
        pack_more(packed)
    assert list((packed / ".packing").glob("shard-*.json"))
    index = pack(source_of(["cat"], 300), packed, append=True)
    assert index.num_samples == 20
    assert not (packed / ".packing").exists()


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_appends(tmp_path: Path, start_pack):
    out = tmp_path / "out"
    start_pack(out).communicate()
    # The rows of the script again, with other arguments to be another source, cannot be appended:
    # so a process of its own appends other rows.
    assert ShardIndex.load(out).num_samples == 120
    script = tmp_path / "packing_script.py"
    text = script.read_text().replace("np.full(3000, row)", "np.full(3000, row + 500)")
    script.write_text(text.replace("workers=int(sys.argv[3])", "workers=1, append=True"))
    shutil.copytree(out, tmp_path / "at once")
    start_pack(tmp_path / "at once").communicate()
    with start_pack(out) as process:
        wait_for(lambda: len(list(out.glob("shard-*.pkl"))) > 30)
        process.send_signal(signal.SIGKILL)
    assert ShardIndex.load(out).num_samples == 120
    start_pack(out).communicate()
    assert read_files(out) == read_files(tmp_path / "at once")
    assert ShardIndex.load(out).num_samples == 240
