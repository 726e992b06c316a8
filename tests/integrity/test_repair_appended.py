"""`repair` of a set that was appended to: each shard is packed again from its own source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keras_bigdata import PackError, ShardIndex, pack, repair, verify
from keras_bigdata.integrity.repair import QUARANTINE
from tests.helpers.appended_sets import (
    FIRST_LABELS,
    MORE_LABELS,
    pack_first,
    pack_more,
    source_of,
)
from tests.helpers.packs import read_files

FIRST = source_of(FIRST_LABELS)
MORE = source_of(MORE_LABELS, 100)


@pytest.fixture
def appended(tmp_path: Path) -> Path:
    pack_first(tmp_path / "all")
    pack_more(tmp_path / "all")
    return tmp_path / "all"


def damage(directory: Path, *numbers: int) -> None:
    for number in numbers:
        path = directory / f"shard-{number:05d}.pkl"
        path.write_bytes(path.read_bytes()[:-8] + b"damaged!")


def test_a_shard_is_packed_again_from_its_own_source(appended: Path):
    files = read_files(appended)
    damage(appended, 1, 4)
    result = repair(appended, source=MORE, dry_run=False)
    assert result.done
    assert [note for note in result.notes if "shard-00001.pkl" in note and "packed first" in note]
    assert len(verify(appended).faults) == 1
    repair(appended, source=FIRST, dry_run=False)
    assert read_files(appended) == files
    assert verify(appended).ok


def test_another_source_than_that_of_the_shard_is_refused_by_name(appended: Path):
    damage(appended, 4)
    files = read_files(appended)
    with pytest.raises(PackError, match=r"shard-00004.pkl: needs the source .* appended as number"):
        repair(appended, source=FIRST, dry_run=False)
    with pytest.raises(PackError, match="packed from 2 other sources"):
        repair(appended, source=source_of(["cat"], 7), dry_run=False)
    assert read_files(appended) == files


def test_removed_shards_come_back_each_from_its_own_source(appended: Path):
    files = read_files(appended)
    damage(appended, 0, 5)
    repair(appended, dry_run=False)
    assert ShardIndex.load(appended).source.tolist() == [0, 0, 1, 1]
    assert (appended / QUARANTINE).is_dir()
    repair(appended, source=MORE, dry_run=False)
    assert ShardIndex.load(appended).source.tolist() == [0, 0, 1, 1, 1]
    repair(appended, source=FIRST, dry_run=False)
    assert read_files(appended) == files


def test_rows_are_appended_to_a_set_without_some_of_its_shards(appended: Path):
    damage(appended, 5)
    repair(appended, dry_run=False)
    with pytest.raises(PackError, match="1 of its shards were left out"):
        pack_more(appended)
    index = pack(source_of(["bee"], 200), appended, append=True)
    assert index.names[-1] == "shard-00006.pkl"
    assert index.class_counts == [5, 8, 3, 3]
    index = repair(appended, source=MORE, dry_run=False).index
    assert index is not None
    assert index.source.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert index.num_samples == 20
    assert verify(appended).ok


def test_a_lost_index_knows_the_source_of_each_shard_from_its_records(appended: Path):
    path = appended / "index.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "num_samples": 18}))
    assert repair(appended, dry_run=False).steps
    index = ShardIndex.load(appended)
    assert index.source.tolist() == [0, 0, 0, 1, 1, 1]
    damage(appended, 4)
    repair(appended, source=MORE, dry_run=False)
    assert verify(appended).ok
