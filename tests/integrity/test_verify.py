"""`verify`, as somebody uses it who does not trust a disk."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    CorruptShardError,
    ShardError,
    ShardWriter,
    pack,
    repair,
    verify,
)
from keras_bigdata.cli import main
from keras_bigdata.integrity import check_shard, duplicates
from tests.conftest import ROLES, rows_of

INFO = {"name": "", "samples": 1, "bytes": 9, "offsets": {}, "checksum": 1, "variant": 0}


def arrays(start=0, rows=60):
    ids = np.arange(start, start + rows, dtype=np.int32)
    wide = np.repeat(ids[:, None], 300, axis=1)
    return Arrays(x=rows_of(ids), wide=wide, id=ids, inputs=("x", "wide"), targets="id")


@pytest.fixture
def packed(tmp_path):
    pack(arrays(), tmp_path / "packed", shard_samples=10)
    return tmp_path / "packed"


def flip(path, at=-1000):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def faults(directory, **options):
    report = verify(directory, **options)
    assert report.ok == (not report.faults)
    for fault in report.faults:
        assert fault.expected != fault.found
        assert fault.remedy.endswith(".")
        assert str(fault).startswith(fault.file)
    return {Path(fault.file).name: fault for fault in report.faults}


def test_a_sound_set(packed, capsys):
    report = verify(packed)
    assert report.ok
    assert (report.shards, report.rows) == (6, 60)
    assert report.nbytes == sum(path.stat().st_size for path in packed.glob("shard-*.pkl"))
    assert main(["verify", str(packed)]) == 0
    assert "no faults; 6 shards, 60 sound rows" in capsys.readouterr().out


def test_every_kind_of_harm_is_found_in_one_go(packed, capsys):
    (packed / "shard-00000.pkl").unlink()
    os.truncate(packed / "shard-00001.pkl", 77)
    flip(packed / "shard-00002.pkl")
    shutil.copy(packed / "shard-00004.pkl", packed / "shard-00009.pkl")
    found = faults(packed)
    assert {name: fault.kind for name, fault in found.items()} == {
        "shard-00000.pkl": "missing",
        "shard-00001.pkl": "size",
        "shard-00002.pkl": "checksum",
        "shard-00009.pkl": "extra",
    }
    assert found["shard-00001.pkl"].found == "77 bytes"
    assert "source=" in found["shard-00002.pkl"].remedy
    assert verify(packed).rows == 30
    assert main(["verify", str(packed)]) == 1
    out = capsys.readouterr().out
    assert "shard-00002.pkl: checksum: expected CRC-32" in out
    assert "4 faults" in out


def test_every_single_flipped_byte_is_found(tmp_path):
    pack(arrays(rows=3), tmp_path / "small", shard_samples=3)
    path = tmp_path / "small" / "shard-00000.pkl"
    sound = path.read_bytes()
    for at in range(0, len(sound), 97):
        flip(path, at)
        assert faults(tmp_path / "small")[path.name].kind == "checksum"
        path.write_bytes(sound)


def test_an_index_that_says_otherwise_than_the_pickles(packed):
    index = json.loads((packed / "index.json").read_bytes())
    index["shards"]["offset"]["x"][3] -= 12
    index["fields"]["id"]["dtype"] = "<u4"
    index["shards"]["name"][5] = index["shards"]["name"][4]
    (packed / "index.json").write_text(json.dumps(index))
    found = faults(packed)
    assert found["shard-00000.pkl"].kind == "structure"
    assert found["shard-00000.pkl"].expected.startswith("'id' as uint32 (10,) at byte")
    assert found["shard-00000.pkl"].found.startswith("'id' as int32 (10,) at byte")
    assert "'x' as float32 (10, 3)" in found["shard-00003.pkl"].expected
    assert found["index.json"].found == "shard-00004.pkl 2 times"
    assert found["shard-00005.pkl"].kind == "extra"


def test_an_index_that_counts_its_classes_wrong(tmp_path):
    pack(Arrays(x=np.zeros((9, 2)), labels=np.arange(9) % 3), tmp_path / "set")
    path = tmp_path / "set" / "index.json"
    index = json.loads(path.read_bytes())
    path.write_text(json.dumps({**index, "class_counts": [4, 2, 3]}))
    fault = faults(tmp_path / "set")["index.json"]
    assert (fault.expected, fault.found) == ("class counts [4, 2, 3]", "[3, 3, 3]")
    path.write_text(json.dumps({**index, "classes": ["a", "b"], "class_counts": [4, 5]}))
    assert "the largest label is 2" in faults(tmp_path / "set")["index.json"].found


@pytest.mark.parametrize(
    "gone", [7, [7], [{"name": "a"}], [{**INFO, "name": "../shard-00001.pkl"}], {"a": 1}]
)
def test_a_list_of_left_out_shards_that_is_nonsense(packed, gone):
    index = json.loads((packed / "index.json").read_bytes())
    index["made"]["gone"] = gone
    (packed / "index.json").write_text(json.dumps(index))
    assert "left out is damaged" in faults(packed)["index.json"].found
    with pytest.raises(CorruptShardError, match="left out is damaged"):
        repair(packed, source=arrays(), apply=True)


def test_links_are_followed_once(tmp_path, shards):
    folder = shards([3])
    other = shards([4])
    os.symlink(other, folder / "more")
    os.symlink(folder, other / "back")
    assert verify(folder).rows == 7


def test_a_shard_that_was_replaced_by_a_hostile_one_is_not_run(packed, tmp_path):
    path = packed / "shard-00003.pkl"
    code = f"cos\nsystem\n(S'touch {tmp_path}/ran'\ntR.".encode()
    path.write_bytes(code + bytes(path.stat().st_size - len(code)))
    assert faults(packed)[path.name].kind == "checksum"
    (packed / "index.json").unlink()
    assert "os.system" in faults(packed)[path.name].found
    assert not (tmp_path / "ran").exists()


def test_an_index_that_cannot_be_read(packed):
    (packed / "index.json").write_text("{")
    os.truncate(packed / "shard-00002.pkl", 900)
    found = faults(packed)
    assert found["index.json"].kind == "index"
    assert "keras-bigdata repair" in found["index.json"].remedy
    assert "ends after 900 bytes" in found["shard-00002.pkl"].found
    assert len(found) == 2


def test_sets_that_are_not_finished(tmp_path):
    writer = ShardWriter(tmp_path / "written", **ROLES)
    writer.write({"x": rows_of(np.arange(3)), "id": np.arange(3)})
    assert faults(tmp_path / "written")["written"].remedy.startswith("Delete the directory")
    (tmp_path / "packing" / ".packing").mkdir(parents=True)
    (tmp_path / "packing" / ".tmp-12345678-shard-00000.pkl").write_bytes(b"")
    assert "goes on from there" in faults(tmp_path / "packing")["packing"].remedy
    assert "left by a writer" in verify(tmp_path / "packing").notes[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ShardError, match="no pickles and no index"):
        verify(tmp_path / "empty")
    with pytest.raises(ShardError, match="no such directory"):
        verify(tmp_path / "nowhere")


def test_bare_pickles(shards):
    folder = shards([5, 6, 7, 8])
    assert verify(folder).rows == 26
    assert "no checksums" in verify(folder).notes[0]
    os.truncate(folder / "00001.pkl", 100)
    with open(folder / "00002.pkl", "wb") as file:
        pickle.dump({"x": np.zeros((7, 4), np.float32), "id": np.arange(7)}, file)
    with open(folder / "00003.pkl", "wb") as file:
        pickle.dump({"x": rows_of(np.arange(8)), "id": np.arange(9, dtype=np.int32)}, file)
    (folder / "note.txt").write_text("not a pickle")
    shutil.copy(folder / "00000.pkl", folder / "more.pkl")
    found = faults(folder)
    assert set(found) == {"00001.pkl", "00002.pkl", "00003.pkl"}
    assert "as in most files" in found["00002.pkl"].expected
    assert found["00003.pkl"].found == "{'id': 9, 'x': 8}"
    assert set(faults(folder, fields=("y",))) == {f"0000{n}.pkl" for n in range(4)} | {"more.pkl"}


def test_a_file_that_the_disk_cannot_read(packed, monkeypatch):
    def fails(path):
        if path.name == "shard-00003.pkl":
            raise OSError(5, "Input/output error")
        return checksum(path)

    checksum = check_shard.file_checksum
    monkeypatch.setattr(check_shard, "file_checksum", fails)
    fault = faults(packed)["shard-00003.pkl"]
    assert (fault.kind, fault.found) == ("unreadable", "Input/output error")


# Rows in two sets


@pytest.mark.parametrize("at_once", [1_000_000, 7])
def test_rows_in_both_sets(packed, tmp_path, capsys, monkeypatch, at_once):
    monkeypatch.setattr(duplicates, "_AT_ONCE", at_once)
    pack(arrays(start=57, rows=20), tmp_path / "val", shard_samples=6)
    report = verify(packed, tmp_path / "val")
    (fault,) = report.faults
    assert fault.kind == "duplicates"
    assert fault.found.startswith("3, such as row ")
    assert "compared by x, wide, id" in fault.remedy
    assert len(report.duplicates) == 3
    for file, row, twin, twin_row in report.duplicates:
        one = pickle.loads(Path(file).read_bytes())["id"][row]
        assert one in (57, 58, 59)
        assert pickle.loads(Path(twin).read_bytes())["id"][twin_row] == one
    assert main(["verify", str(packed), "--against", str(tmp_path / "val")]) == 1
    assert f"{tmp_path}/val/shard-0000" in capsys.readouterr().out
    pack(arrays(start=60), tmp_path / "test")
    assert verify(packed, tmp_path / "test").ok


def test_rows_are_compared_by_the_fields_named(packed, tmp_path):
    other = arrays(rows=60)
    other._arrays["id"] = other._arrays["id"] + 1  # other labels
    pack(other, tmp_path / "val")
    assert verify(packed, tmp_path / "val").ok
    found = verify(packed, tmp_path / "val", fields=("wide",)).faults[0].found
    assert found.startswith("60, such as")
    with pytest.raises(ShardError, match=r"cannot be compared by 'y': it is not there and not"):
        verify(packed, tmp_path / "val", fields=("y",))
    with pytest.raises(ShardError, match="is the same directory"):
        verify(packed, packed)


def test_bare_pickles_against_packed_ones(shards, tmp_path):
    bare = shards([10, 10])
    ids = np.arange(15, 40, dtype=np.int32)
    pack(Arrays(x=rows_of(ids), id=ids, targets="id"), tmp_path / "packed", shard_samples=9)
    assert verify(bare, tmp_path / "packed").faults[0].found.startswith("5, such as row 5 of 00001")
    os.truncate(tmp_path / "packed" / "shard-00001.pkl", 50)
    assert verify(bare, tmp_path / "packed").faults[0].kind == "unreadable"
    # Rows of damaged shards of the set itself are left out, the others compared.
    found = faults(tmp_path / "packed", against=bare)
    assert found["shard-00001.pkl"].kind == "size"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")
def test_comparing_rows_takes_memory_for_a_part_of_them(tmp_path):
    """Of 0.4 and of 1.6 million rows, when 100,000 at a time are sorted."""
    script = tmp_path / "script.py"
    script.write_text(
        """
import sys
from keras_bigdata import verify
from keras_bigdata.checking import duplicates

duplicates._AT_ONCE = 100_000
verify(sys.argv[1], sys.argv[2])
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(line.split()[1]) / 1024)
"""
    )
    pack(Arrays(x=np.arange(9, dtype=np.int32)), tmp_path / "few", workers=1)
    peaks = []
    for rows in (400_000, 1_600_000):
        many = tmp_path / str(rows)
        pack(Arrays(x=np.arange(rows, dtype=np.int32)), many, shard_samples=50_000, workers=1)
        call = [sys.executable, script, many, tmp_path / "few"]
        done = subprocess.run(call, check=True, capture_output=True, text=True)
        peaks.append(float(done.stdout))
    print(peaks)
    assert peaks[1] < peaks[0] + 45, peaks  # unbounded it is 100 more


@pytest.mark.slow
def test_checksums_are_taken_at_1_gigabyte_a_second(tmp_path):
    block = np.random.default_rng(0).integers(0, 256, (64, 1 << 20), np.uint8)
    with ShardWriter(tmp_path / "big", inputs="x") as writer:
        for _ in range(16):
            writer.write({"x": block})
    verify(tmp_path / "big")  # into the page cache
    rates = []
    for _ in range(3):
        started = time.perf_counter()
        report = verify(tmp_path / "big")
        rates.append(report.nbytes / (time.perf_counter() - started) / 1e9)
    assert report.ok
    print(f"{max(rates):.2f} GB/s")
    assert max(rates) > 1, rates
