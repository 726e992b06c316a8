"""`verify(against=...)` counts the rows that are in both sets."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    ShardError,
    pack,
    verify,
)
from keras_bigdata.cli import main
from keras_bigdata.integrity import duplicates
from tests.helpers.unindexed_pickles import rows_of
from tests.integrity.small_sets import find_faults, make_source


@pytest.fixture
def packed(tmp_path):
    pack(make_source(), tmp_path / "packed", shard_samples=10)
    return tmp_path / "packed"


@pytest.mark.parametrize("at_once", [1_000_000, 7])
def test_rows_in_both_sets(packed, tmp_path, capsys, monkeypatch, at_once):
    monkeypatch.setattr(duplicates, "_ROWS_AT_ONCE", at_once)
    pack(make_source(start=57, rows=20), tmp_path / "val", shard_samples=6)
    report = verify(packed, tmp_path / "val")
    (fault,) = report.faults
    assert fault.kind == "duplicates"
    assert fault.found.startswith("3, such as row ")
    assert "compared by x, wide, id" in fault.remedy
    assert len(report.duplicates) == 3
    for file, row, other_file, other_row in report.duplicates:
        one = pickle.loads(Path(file).read_bytes())["id"][row]
        assert one in (57, 58, 59)
        assert pickle.loads(Path(other_file).read_bytes())["id"][other_row] == one
    assert main(["verify", str(packed), "--against", str(tmp_path / "val")]) == 1
    assert f"{tmp_path}/val/shard-0000" in capsys.readouterr().out
    pack(make_source(start=60), tmp_path / "test")
    assert verify(packed, tmp_path / "test").ok


def test_rows_are_compared_by_the_fields_named(packed, tmp_path):
    other = make_source(rows=60)
    other._arrays["id"] = other._arrays["id"] + 1  # other labels
    pack(other, tmp_path / "val")
    assert verify(packed, tmp_path / "val").ok
    found = verify(packed, tmp_path / "val", fields=("wide",)).faults[0].found
    assert found.startswith("60, such as")
    with pytest.raises(ShardError, match="by 'y': it is missing in the first set and missing in"):
        verify(packed, tmp_path / "val", fields=("y",))
    with pytest.raises(ShardError, match="`against` is the directory that is verified"):
        verify(packed, packed)


def test_unindexed_pickles_against_packed_ones(shards, tmp_path):
    unindexed = shards([10, 10])
    ids = np.arange(15, 40, dtype=np.int32)
    pack(Arrays(x=rows_of(ids), id=ids, targets="id"), tmp_path / "packed", shard_samples=9)
    (fault,) = verify(unindexed, tmp_path / "packed").faults
    assert fault.found.startswith("5, such as row 5 of 00001")
    os.truncate(tmp_path / "packed" / "shard-00001.pkl", 50)
    assert verify(unindexed, tmp_path / "packed").faults[0].kind == "unreadable"
    # Rows of damaged shards of the set itself are not compared, the others are.
    found = find_faults(tmp_path / "packed", against=unindexed)
    assert found["shard-00001.pkl"].kind == "size"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_comparing_rows_takes_memory_for_a_part_of_them(tmp_path):
    """Compares 0.4 and 1.6 million rows, of which 100,000 at a time are sorted."""
    script = tmp_path / "script.py"
    script.write_text(
        """
import sys
from keras_bigdata import verify
from keras_bigdata.integrity import duplicates

duplicates._ROWS_AT_ONCE = 100_000
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
