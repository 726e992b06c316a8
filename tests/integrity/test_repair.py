"""`repair` restores what can be restored and loses nothing else."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import (
    PackError,
    Repair,
    ShardError,
    ShardIndex,
    ShardWriter,
    pack,
    repair,
    verify,
)
from keras_bigdata.cli import main
from tests.helpers.unindexed_pickles import ROLES, rows_of
from tests.integrity.small_sets import Numbers, damage, noisy, read_files, rows_served


@pytest.fixture
def packed(tmp_path):
    pack(Numbers(), tmp_path / "packed", shard_samples=6, workers=1)
    return tmp_path / "packed"


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


@pytest.mark.quick_cases(1)
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
