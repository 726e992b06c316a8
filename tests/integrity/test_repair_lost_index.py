"""`repair` creates an index that was lost, of packed shards and of other pickles."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    ShardError,
    ShardIndex,
    ShardSequence,
    pack,
    repair,
    verify,
)
from keras_bigdata.cli import main
from tests.helpers.unindexed_pickles import ROLES
from tests.integrity.small_sets import WORDS, Numbers, damage, noisy, read_files, rows_served


@pytest.fixture
def packed(tmp_path):
    pack(Numbers(), tmp_path / "packed", shard_samples=6, workers=1)
    return tmp_path / "packed"


def test_a_lost_index_is_created_again(packed, tmp_path, capsys):
    old = ShardIndex.load(packed)
    (packed / "index.json").unlink()
    shards = read_files(packed)
    plan = repair(packed, inputs="x", targets="labels")
    assert read_files(packed) == shards
    assert any("names of the classes" in note for note in plan.notes)
    assert any("after number 8" in note for note in plan.notes)
    assert main(["repair", str(packed), "--inputs", "x", "--targets", "labels", "--yes"]) == 0
    assert "index.json: is written again, with 50 rows in 9 shards" in capsys.readouterr().out
    new = ShardIndex.load(packed)
    assert (new.names, new.roles, new.class_counts) == (old.names, old.roles, old.class_counts)
    for name in ("samples", "sizes", "checksums", "variant"):
        np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
    assert {n: c.tolist() for n, c in new.offsets.items()} == {
        n: c.tolist() for n, c in old.offsets.items()
    }
    assert new.classes is None
    assert verify(packed).ok
    assert rows_served(packed) == list(range(50))
    pack(Numbers(20), tmp_path / "val")
    (packed / "index.json").unlink()
    repair(packed, like=tmp_path / "val", dry_run=False)
    again = ShardIndex.load(packed)
    assert (again.classes, again.roles) == (WORDS, old.roles)


def test_what_can_still_be_read_of_an_index_is_kept(packed):
    old = ShardIndex.load(packed)
    index = json.loads((packed / "index.json").read_bytes())
    index["shards"]["samples"][3] = -4
    (packed / "index.json").write_text(json.dumps(index))
    with pytest.raises(ShardError, match="damaged"):
        ShardSequence(packed)
    found = repair(packed, dry_run=False)
    assert found.steps[0] == "index.json: is copied to quarantine/"
    new = ShardIndex.load(packed)
    assert (new.classes, new.roles, new.num_samples) == (WORDS, old.roles, 50)
    # The source is recognized, too.
    (packed / "shard-00003.pkl").unlink()
    repair(packed, source=Numbers(), dry_run=False, workers=1)
    assert verify(packed).ok
    copied = json.loads((packed / "quarantine" / "index.json.quarantined").read_text())
    assert copied == index


def test_a_lost_index_and_damaged_shards(packed):
    damage(packed)
    (packed / "index.json").write_text('{"format": "keras_bigdata", "ver')
    found = repair(packed, inputs="x", targets="labels", dry_run=False)
    assert found.removed == {"shard-00001.pkl": None}
    assert any("no shard has the numbers 6" in note for note in found.notes)
    # Without a checksum the changed byte of shard 4 cannot be noticed.
    assert ShardIndex.load(packed).num_samples == 50 - 12
    assert verify(packed).ok


def test_roles_by_the_names_of_fields(tmp_path):
    source = Arrays(images=np.zeros((6, 4, 4, 3), np.uint8), labels=np.arange(6))
    pack(source, tmp_path / "set")
    roles = ShardIndex.load(tmp_path / "set").roles
    (tmp_path / "set" / "index.json").unlink()
    found = repair(tmp_path / "set", dry_run=False)
    assert ShardIndex.load(tmp_path / "set").roles == roles
    assert "taken from the names" in found.notes[1]


def test_lost_variants_are_recognized_by_their_names(tmp_path):
    packed = tmp_path / "packed"
    pack(Numbers(), packed, shard_samples=6, variants=2, augment=noisy, workers=1)
    old = ShardIndex.load(packed)
    (packed / "index.json").unlink()
    (packed / "shard-00007.v1.pkl").write_bytes(b"")
    found = repair(packed, inputs="x", targets="labels", dry_run=False)
    assert set(found.removed) == {"shard-00007.v1.pkl", "shard-00007.pkl"}
    new = ShardIndex.load(packed)
    assert new.variants == 2
    assert new.num_samples == old.num_samples - 6
    assert new.names == [name for name in old.names if "00007" not in name]


def test_pickles_that_can_be_read_in_two_ways_receive_no_index(tmp_path, capsys):
    for name in ("train.pkl", "test.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps({"x": np.zeros((5, 2)), "y": np.zeros(5)}))
    for options in ({}, {"inputs": "x", "targets": "y"}):
        with pytest.raises(ShardError, match=r"different parts of the data, such as te.*layout="):
            repair(tmp_path, dry_run=False, **options)
    assert main(["repair", str(tmp_path), "--yes"]) == 1
    assert "or --layout columns." in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["test.pkl", "train.pkl"]
    assert repair(tmp_path, layout="columns", dry_run=False).index.num_samples == 10
    with pytest.raises(ValueError, match="can be read, so `layout` has no effect"):
        repair(tmp_path, layout="columns")


def test_packed_shards_of_square_images_receive_an_index_again(tmp_path):
    images = np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3)[:, :, :, 0]
    pack(Arrays(images=images, labels=[0, 1, 0, 1]), tmp_path, shard_samples=2)
    (tmp_path / "index.json").unlink()
    assert repair(tmp_path, dry_run=False).index.num_samples == 4


def test_unindexed_pickles_receive_an_index(shards):
    folder = shards([5, 6])
    found = repair(folder, **ROLES, dry_run=False)
    assert any("the record of how the set was packed is lost" in note for note in found.notes)
    assert verify(folder).ok
    assert ShardSequence(folder).num_samples == 11
    with pytest.raises(ValueError, match=r"so `inputs` has no effect"):
        repair(folder, **ROLES)
