"""A directory that holds something already is continued, left as it is or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    CorruptShardError,
    PackError,
    pack,
)
from tests.helpers.packs import read_files
from tests.packing.small_sources import Numbers, break_photos, open_table


def test_a_directory_with_something_else_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(PackError, match=r"holds something else: thesis\.txt"):
        pack(Numbers(), tmp_path)
    assert read_files(tmp_path) == {"thesis.txt": b"years of work"}
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "shard-00000.pkl").write_text("from elsewhere")
    with pytest.raises(PackError, match=r"something else: shard-00000\.pkl"):
        pack(Numbers(), tmp_path / "other")
    with pytest.raises(PackError, match="cannot be written"):
        pack(Numbers(), tmp_path / "thesis.txt")


def test_the_same_call_again_does_nothing(photos: Path, tmp_path: Path, capsys):
    index = pack(open_table(photos), tmp_path / "out")
    stamps = {entry: entry.stat().st_mtime_ns for entry in (tmp_path / "out").iterdir()}
    for path in photos.glob("*.*g"):
        path.unlink()  # a finished pack does not need its images
    again = pack(open_table(photos), tmp_path / "out", workers=1)
    assert again.names == index.names
    assert "packed already" in capsys.readouterr().err
    assert {entry: entry.stat().st_mtime_ns for entry in (tmp_path / "out").iterdir()} == stamps


def test_another_call_into_the_same_directory_is_refused(photos: Path, tmp_path: Path):
    pack(open_table(photos), tmp_path / "out")
    before = read_files(tmp_path / "out")
    with pytest.raises(
        PackError, match=r"of another call.*source.size was \[16, 16\] and is \[8, 8\]"
    ):
        pack(open_table(photos, size=(8, 8)), tmp_path / "out")
    with pytest.raises(PackError, match=r"arguments.seed was 0 and is 1"):
        pack(open_table(photos), tmp_path / "out", seed=1)
    with pytest.raises(PackError, match=r"source.kind was 'ImageTable' and is 'Arrays'"):
        pack(Arrays(x=np.arange(9)), tmp_path / "out")
    assert read_files(tmp_path / "out") == before


def test_rows_left_out_are_not_passed_over_in_silence(photos: Path, tmp_path: Path):
    break_photos(photos)
    pack(open_table(photos), tmp_path / "out", on_error="skip")
    with pytest.raises(PackError, match="3 rows were left out"):
        pack(open_table(photos), tmp_path / "out")


def test_a_damaged_list_of_removed_shards_is_an_error_of_the_index(tmp_path: Path):
    source = Arrays(x=np.zeros((4, 2)), labels=[0, 1] * 2)
    index = pack(source, tmp_path, workers=1)
    index.provenance["gone"] = 7
    index.save()
    with pytest.raises(CorruptShardError, match="the list of removed shards is damaged"):
        pack(source, tmp_path, workers=1)


def test_a_finished_set_that_lost_a_shard_is_an_error(tmp_path: Path):
    pack(Numbers(), tmp_path / "out", shard_samples=5, workers=1)
    (tmp_path / "out" / "shard-00002.pkl").unlink()
    with pytest.raises(CorruptShardError, match=r"shard-00002\.pkl: is missing"):
        pack(Numbers(), tmp_path / "out", shard_samples=5)
