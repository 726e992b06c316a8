"""`repair` restores what can be restored and loses nothing else."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    PackError,
    Repair,
    ShardError,
    ShardIndex,
    ShardSequence,
    ShardWriter,
    pack,
    repair,
    verify,
)
from keras_bigdata.cli import main
from tests.conftest import ROLES, rows_of

WORDS = ["ant", "bee", "cat"]


class Numbers:
    """A source without `select` that records the rows that are read."""

    classes = WORDS
    read: list[int]

    def __init__(self, rows=50, add=0):
        self.rows, self.add, self.read = rows, add, []

    def __len__(self):
        return self.rows

    def __getitem__(self, row):
        self.read.append(row)
        return {"x": np.full(7, row + self.add, np.int32), "labels": np.int32(row % 3)}

    def fingerprint(self):
        return {"kind": "Numbers", "rows": self.rows}


def noisy(sample, rng):
    return {**sample, "x": sample["x"] + rng.integers(0, 100, 7, np.int32)}


def read_files(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def packed(tmp_path):
    pack(Numbers(), tmp_path / "packed", shard_samples=6, workers=1)
    return tmp_path / "packed"


def damage(packed):
    """Damages two shards and deletes one."""
    os.truncate(packed / "shard-00001.pkl", 100)
    data = bytearray((packed / "shard-00004.pkl").read_bytes())
    data[ShardIndex.load(packed)[4].offsets["x"] + 2] ^= 4
    (packed / "shard-00004.pkl").write_bytes(data)
    (packed / "shard-00006.pkl").unlink()


def rows_served(directory, **options):
    data = ShardSequence(directory, 8, workers=0, **options)
    return sorted(int(x[0]) for i in range(len(data)) for x in data[i][0])


def test_a_sound_set_has_nothing_to_repair(packed, capsys):
    before = read_files(packed)
    found = repair(packed, dry_run=False)
    assert (found.steps, found.removed, found.done) == ([], {}, False)
    assert repair(packed, source=Numbers(), dry_run=False).steps == []
    assert main(["repair", str(packed), "--yes"]) == 0
    assert "nothing to repair" in capsys.readouterr().out
    assert read_files(packed) == before


def test_shards_are_packed_again_from_their_source(packed):
    before = read_files(packed)
    damage(packed)
    damaged = read_files(packed)
    plan = repair(packed, source=Numbers())
    assert len(plan.steps) == 5
    assert read_files(packed) == damaged
    source = Numbers()
    found = repair(packed, source=source, dry_run=False, workers=1)
    assert found.done
    assert found.removed == {}
    after = read_files(packed)
    assert after.pop("quarantine/shard-00001.pkl.quarantined") == damaged["shard-00001.pkl"]
    assert after.pop("quarantine/shard-00004.pkl.quarantined") == damaged["shard-00004.pkl"]
    assert after == before
    # Only the rows of these shards were read, and a few to recognize the source.
    assert len(source.read) <= 3 * 6 + 4
    assert verify(packed).ok


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_variant_comes_back(tmp_path, workers):
    packed = tmp_path / "packed"
    pack(Numbers(), packed, shard_samples=6, variants=3, augment=noisy, workers=1)
    before = read_files(packed)
    (packed / "shard-00002.v1.pkl").unlink()
    (packed / "shard-00005.pkl").write_bytes(b"")
    repair(packed, source=Numbers(), augment=noisy, dry_run=False, workers=workers)
    after = read_files(packed)
    assert after.pop("quarantine/shard-00005.pkl.quarantined") == b""
    assert after == before


def test_another_source_is_refused(packed):
    damage(packed)
    before = read_files(packed)
    with pytest.raises(PackError, match=r"another source\. source.rows was 50 and is 51"):
        repair(packed, source=Numbers(51), dry_run=False)
    with pytest.raises(PackError, match=r"arguments.augment was None and is"):
        repair(packed, source=Numbers(), augment=noisy, dry_run=False)
    with pytest.raises(PackError, match=r"now returns different data.*Nothing was replaced"):
        repair(packed, source=Numbers(add=1), dry_run=False, workers=1)
    assert read_files(packed) == before


def test_without_a_source_the_rest_goes_on_and_all_can_come_back(packed, capsys):
    before = read_files(packed)
    damage(packed)
    damaged = read_files(packed)
    assert main(["repair", str(packed)]) == 1
    out = capsys.readouterr().out
    assert "shard-00004.pkl: is removed from the index (checksum: expected CRC-32" in out
    assert "Add --yes" in out
    assert read_files(packed) == damaged
    assert main(["repair", str(packed), "--yes"]) == 0
    assert "removed: 3 shards (18 rows)" in capsys.readouterr().out
    assert sorted(path.name for path in (packed / "quarantine").iterdir()) == [
        "shard-00001.pkl.quarantined",
        "shard-00004.pkl.quarantined",
    ]
    report = verify(packed)
    assert report.ok
    assert "an earlier repair removed 3 shards (18 rows): shard-00001.pkl, " in report.notes[0]
    index = ShardIndex.load(packed)
    assert index.num_samples == 32
    assert sum(index.class_counts) == 32
    labels = np.concatenate(
        [pickle.loads(path.read_bytes())["labels"] for path in packed.glob("shard-*.pkl")]
    )
    assert index.class_counts == np.bincount(labels).tolist()
    assert len(rows_served(packed)) == 32
    with pytest.raises(PackError, match="3 of its shards were left out by `repair`"):
        pack(Numbers(), packed, shard_samples=6)
    # A second repair adds to the list.
    (packed / "shard-00000.pkl").unlink()
    repair(packed, dry_run=False)
    assert len(ShardIndex.load(packed).provenance["gone"]) == 4
    repair(packed, source=Numbers(), dry_run=False, workers=1)
    after = {name: data for name, data in read_files(packed).items() if "quarantine" not in name}
    assert after == before


def test_a_damaged_variant_removes_the_other_variants_of_its_rows(tmp_path):
    packed = tmp_path / "packed"
    pack(Numbers(), packed, shard_samples=6, variants=2, augment=noisy, workers=1)
    before = read_files(packed)
    (packed / "shard-00002.v1.pkl").unlink()
    found = repair(packed, dry_run=False)
    assert set(found.removed) == {"shard-00002.v1.pkl", "shard-00002.pkl"}
    assert ShardIndex.load(packed).num_samples == 44
    assert verify(packed).ok
    repair(packed, source=Numbers(), augment=noisy, dry_run=False, workers=1)
    after = {name: data for name, data in read_files(packed).items() if "quarantine" not in name}
    assert after == before


def test_variants_that_would_differ_are_left_alone(tmp_path):
    with ShardWriter(tmp_path / "set", inputs="x") as writer:
        for rows, variant in ((2, 0), (4, 0), (4, 1), (2, 1)):
            writer.write({"x": np.zeros(rows)}, variant=variant)
    (tmp_path / "set" / "shard-00000.pkl").unlink()
    before = read_files(tmp_path / "set")
    with pytest.raises(ShardError, match=r"would have \[4, 2\] rows"):
        repair(tmp_path / "set", dry_run=False)
    assert read_files(tmp_path / "set") == before


def test_a_set_without_a_known_source(tmp_path):
    with ShardWriter(tmp_path / "set", **ROLES) as writer:
        for start in (0, 5):
            ids = np.arange(start, start + 5)
            writer.write({"x": rows_of(ids), "id": ids})
    os.truncate(tmp_path / "set" / "shard-00001.pkl", 9)
    with pytest.raises(PackError, match="does not name a source"):
        repair(tmp_path / "set", source=Numbers(), dry_run=False)
    assert repair(tmp_path / "set", dry_run=False).removed == {"shard-00001.pkl": 5}
    (tmp_path / "set" / "shard-00000.pkl").unlink()
    with pytest.raises(ShardError, match="none of the 1 shards is sound"):
        repair(tmp_path / "set", dry_run=False)


# A lost index


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


def test_what_cannot_be_repaired(tmp_path, packed, shards):
    with pytest.raises(ShardError, match="no such directory"):
        repair(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ShardError, match="there are no pickles to create"):
        repair(tmp_path / "empty")
    (packed / "index.json").unlink()
    (packed / ".packing").mkdir()
    with pytest.raises(ShardError, match="is not complete: `pack` was stopped"):
        repair(packed)
    folder = shards([5])
    os.truncate(folder / "00000.pkl", 20)
    with pytest.raises(ShardError, match="none of its pickles is sound"):
        repair(folder)
    folder = shards([5])
    with pytest.raises(ShardError, match=r"the roles name \['y'\]|none of its pickles"):
        repair(folder, inputs="y")


@pytest.mark.parametrize("from_source", [False, True])
def test_a_repair_that_was_stopped_is_completed_by_the_same_call(packed, monkeypatch, from_source):
    """Stops at each step that changes a file: the index can be read, and the same call succeeds."""
    options = {"source": Numbers(), "workers": 1} if from_source else {}
    damage(packed)
    damaged = packed.with_name("damaged")
    shutil.copytree(packed, damaged)
    expected = packed.with_name("expected")
    shutil.copytree(packed, expected)
    repair(expected, **options, dry_run=False)
    for stop_at in range(1, 12):
        shutil.rmtree(packed)
        shutil.copytree(damaged, packed)
        done = stop_after(monkeypatch, stop_at)
        try:
            repair(packed, **options, dry_run=False)
        except Stopped:
            monkeypatch.undo()
            ShardIndex.load(packed)
            repair(packed, **options, dry_run=False)
        monkeypatch.undo()
        kept = {n: d for n, d in read_files(packed).items() if Path(n).parts[0] != "quarantine"}
        if not from_source:
            # Stopped between the index and the moves: the files stay, and `verify` reports them.
            assert all(fault.kind == "extra" for fault in verify(packed).faults)
            kept = {n: d for n, d in kept.items() if n in read_files(expected)}
        wanted = {n: d for n, d in read_files(expected).items() if "quarantine" not in n}
        assert kept == wanted
        if len(done) < stop_at:
            return
    pytest.fail("there are more steps than this test tries")


class Stopped(BaseException):
    pass


def stop_after(monkeypatch, count):
    done = []

    def stopping(function):
        def wrapped(*arguments, **options):
            if "damaged" not in str(arguments[0]) and len(done) == count - 1:
                done.append(function)
                raise Stopped
            done.append(function)
            return function(*arguments, **options)

        return wrapped

    monkeypatch.setattr(os, "rename", stopping(os.rename))
    monkeypatch.setattr(os, "replace", stopping(os.replace))
    return done


# What is shown


def test_a_repair_prints_its_steps(packed, capsys):
    damage(packed)
    plan = repair(packed)
    assert repr(plan) == f"Repair('{packed}': 4 steps planned, removed: 3 shards (18 rows))"
    lines = str(plan).splitlines()
    assert lines[:4] == plan.steps
    assert lines[-2:] == ["removed: 3 shards (18 rows)", f"{packed}: nothing was changed."]
    assert capsys.readouterr() == ("", "")
    done = repair(packed, dry_run=False, verbose=1)
    assert capsys.readouterr().err == f"{packed}: repaired.\n"
    assert repr(done) == f"Repair('{packed}': 4 steps done, removed: 3 shards (18 rows))"
    nothing = repair(packed, verbose=0)
    assert repr(nothing) == f"Repair('{packed}': nothing to repair)"
    assert str(nothing) == nothing.summary() == f"{packed}: nothing to repair."
    assert capsys.readouterr() == ("", "")


def test_representations_are_short_and_escaped(tmp_path):
    removed = {f"shard-{number:05d}.pkl": None for number in range(1000)}
    result = Repair(tmp_path, ["<b>" * 1000] * 1000, removed, ["<b>"] * 1000)
    assert result.summary() == f"{tmp_path}: nothing was changed."
    assert "removed: 1,000 shards (number of rows unknown)" in repr(result)
    html = result._repr_html_()
    assert "<b>" not in html
    assert "1,000 shards (number of rows unknown)" in html
    assert len(html) < 15_000


def test_arguments_are_checked(packed):
    with pytest.raises(TypeError, match="`dry_run` must be True or False"):
        repair(packed, dry_run="no")
    with pytest.raises(ValueError, match="`verbose` must be"):
        repair(packed, verbose=True)


# On the command line


def test_a_source_named_on_the_command_line(packed, tmp_path, monkeypatch, capsys):
    before = read_files(packed)
    damage(packed)
    (tmp_path / "my_packing.py").write_text(
        "from tests.integrity.test_repair import Numbers\n\n\ndef source():\n    return Numbers()\n"
    )
    monkeypatch.chdir(tmp_path)
    assert (
        main(["repair", str(packed), "--from", "my_packing:source", "--yes", "--workers", "1"]) == 0
    )
    assert "shard-00006.pkl: is packed again from its source (6 rows)" in capsys.readouterr().out
    after = {name: data for name, data in read_files(packed).items() if "quarantine" not in name}
    assert after == before


def test_pack_images_with_repair(tmp_path, capsys):
    from PIL import Image

    for number in range(12):
        folder = tmp_path / "photos" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), (number * 20, 0, 99)).save(folder / f"{number}.png")
    call = ["pack", "images", str(tmp_path / "photos"), "-o", str(tmp_path / "out")]
    call += ["--size", "8x8", "--shard-samples", "4", "--split", "0.4", "--workers", "1"]
    assert main(call) == 0
    before = read_files(tmp_path / "out")
    (tmp_path / "out" / "train" / "shard-00001.pkl").unlink()
    (tmp_path / "out" / "val" / "shard-00000.pkl").unlink()
    capsys.readouterr()
    assert main([*call, "--repair"]) == 0
    assert "shard-00001.pkl: is packed again" in capsys.readouterr().out
    assert read_files(tmp_path / "out") == before
