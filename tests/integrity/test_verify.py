"""`verify` finds all damage of files, indexes and sets."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    CorruptShardError,
    Fault,
    Report,
    ShardError,
    ShardSequence,
    ShardWriter,
    pack,
    repair,
    verify,
)
from keras_bigdata.cli import main
from keras_bigdata.integrity import check_shard
from tests.helpers.unindexed_pickles import ROLES, rows_of
from tests.integrity.small_sets import find_faults, make_source

INFO = {"name": "", "samples": 1, "bytes": 9, "offsets": {}, "checksum": 1, "variant": 0}


@pytest.fixture
def packed(tmp_path):
    pack(make_source(), tmp_path / "packed", shard_samples=10)
    return tmp_path / "packed"


def flip(path, at=-1000):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_sound_set(packed, capsys):
    report = verify(packed)
    assert report.ok
    assert (report.shards, report.rows) == (6, 60)
    assert report.nbytes == sum(path.stat().st_size for path in packed.glob("shard-*.pkl"))
    assert main(["verify", str(packed)]) == 0
    assert "no faults; 6 shards, 60 sound rows" in capsys.readouterr().out


def test_every_kind_of_damage_is_found_at_once(packed, capsys):
    (packed / "shard-00000.pkl").unlink()
    os.truncate(packed / "shard-00001.pkl", 77)
    flip(packed / "shard-00002.pkl")
    shutil.copy(packed / "shard-00004.pkl", packed / "shard-00009.pkl")
    found = find_faults(packed)
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
    pack(make_source(rows=3), tmp_path / "small", shard_samples=3)
    path = tmp_path / "small" / "shard-00000.pkl"
    sound = path.read_bytes()
    for at in range(0, len(sound), 97):
        flip(path, at)
        assert find_faults(tmp_path / "small")[path.name].kind == "checksum"
        path.write_bytes(sound)


def test_an_index_that_differs_from_the_pickles(packed):
    index = json.loads((packed / "index.json").read_bytes())
    index["shards"]["offset"]["x"][3] -= 12
    index["fields"]["id"]["dtype"] = "<u4"
    index["shards"]["name"][5] = index["shards"]["name"][4]
    (packed / "index.json").write_text(json.dumps(index))
    found = find_faults(packed)
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
    fault = find_faults(tmp_path / "set")["index.json"]
    assert (fault.expected, fault.found) == ("class counts [4, 2, 3]", "[3, 3, 3]")
    path.write_text(json.dumps({**index, "classes": ["a", "b"], "class_counts": [4, 5]}))
    assert "the largest label is 2" in find_faults(tmp_path / "set")["index.json"].found


@pytest.mark.parametrize(
    "removed", [7, [7], [{"name": "a"}], [{**INFO, "name": "../shard-00001.pkl"}], {"a": 1}]
)
def test_a_damaged_list_of_removed_shards(packed, removed):
    index = json.loads((packed / "index.json").read_bytes())
    index["made"]["gone"] = removed
    (packed / "index.json").write_text(json.dumps(index))
    assert "list of removed shards is damaged" in find_faults(packed)["index.json"].found
    with pytest.raises(CorruptShardError, match="list of removed shards is damaged"):
        repair(packed, source=make_source(), dry_run=False)


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
    assert find_faults(packed)[path.name].kind == "checksum"
    (packed / "index.json").unlink()
    assert "os.system" in find_faults(packed)[path.name].found
    assert not (tmp_path / "ran").exists()


def test_an_index_that_cannot_be_read(packed):
    (packed / "index.json").write_text("{")
    os.truncate(packed / "shard-00002.pkl", 900)
    found = find_faults(packed)
    assert found["index.json"].kind == "index"
    assert "keras-bigdata repair" in found["index.json"].remedy
    assert "ends after 900 bytes" in found["shard-00002.pkl"].found
    assert len(found) == 2


def test_sets_that_are_not_finished(tmp_path):
    writer = ShardWriter(tmp_path / "written", **ROLES)
    writer.write({"x": rows_of(np.arange(3)), "id": np.arange(3)})
    assert find_faults(tmp_path / "written")["written"].remedy.startswith("Delete the directory")
    (tmp_path / "packing" / ".packing").mkdir(parents=True)
    (tmp_path / "packing" / ".tmp-12345678-shard-00000.pkl").write_bytes(b"")
    assert "continues from there" in find_faults(tmp_path / "packing")["packing"].remedy
    assert "was left by a writer" in verify(tmp_path / "packing").notes[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ShardError, match="no pickles and no index"):
        verify(tmp_path / "empty")
    with pytest.raises(ShardError, match="no such directory"):
        verify(tmp_path / "nowhere")


def test_unindexed_pickles(shards):
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
    found = find_faults(folder)
    assert set(found) == {"00001.pkl", "00002.pkl", "00003.pkl"}
    assert "as in most files" in found["00002.pkl"].expected
    assert found["00003.pkl"].found == "{'id': 9, 'x': 8}"
    names = {*(f"0000{number}.pkl" for number in range(4)), "more.pkl"}
    assert set(find_faults(folder, fields=("y",))) == names


def test_a_file_of_several_pickles_is_a_fault(shards):
    folder = shards([5, 6])
    with open(folder / "00001.pkl", "ab") as file:
        pickle.dump({"x": rows_of(np.arange(8)), "id": np.arange(8, dtype=np.int32)}, file)
    fault = find_faults(folder)["00001.pkl"]
    assert fault.kind == "structure"
    assert fault.found.startswith("the pickle ends at byte ")
    assert verify(folder).rows == 5


def test_pickles_that_can_be_read_in_two_ways_are_a_fault(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.pkl").write_bytes(pickle.dumps({"x": np.zeros((8, 8, 3))}))
    (fault,) = verify(tmp_path).faults
    assert (fault.file, fault.kind) == (str(tmp_path), "structure")
    assert "in two ways: as one sample of shape (8, 8, 3) per file" in fault.found
    assert "layout='columns'" in fault.remedy
    report = verify(tmp_path, layout="columns")
    assert (report.ok, report.rows) == (True, 24)
    with pytest.raises(ValueError, match="`layout` must be None or 'columns'"):
        verify(tmp_path, layout="rows")


def test_pickles_are_checked_in_natural_order(tmp_path):
    for number in (1, 2, 10):
        (tmp_path / f"{number}.pkl").write_bytes(b"")
    files = [Path(fault.file).name for fault in verify(tmp_path).faults]
    assert files == ["1.pkl", "2.pkl", "10.pkl"]


@pytest.mark.slow
def test_the_rows_of_variants_are_counted_once(tmp_path, capsys):
    source = Arrays(x=np.arange(6.0)[:, None], labels=[0, 1] * 3)
    pack(source, tmp_path, variants=3, augment=lambda sample, rng: sample, shard_samples=2)
    report = verify(tmp_path)
    assert (report.rows, report.variants, report.shards) == (6, 3, 9)
    assert "9 shards, 6 sound rows in each of 3 variants, " in report.summary()
    assert "6 sound rows in each of 3 variants" in repr(report)
    assert main(["info", str(tmp_path)]) == 0
    assert "samples: 6 in each of 3 variants" in capsys.readouterr().out
    flip(tmp_path / "shard-00001.v2.pkl", at=-1)
    assert verify(tmp_path).rows == 4  # as the variant with the fewest


def test_the_bytes_of_damaged_files_count_as_read(packed):
    size = (packed / "shard-00002.pkl").stat().st_size
    whole = verify(packed).nbytes
    flip(packed / "shard-00002.pkl")
    assert verify(packed).nbytes == whole
    os.truncate(packed / "shard-00002.pkl", 77)
    assert verify(packed).nbytes == whole - size  # was not read
    (packed / "index.json").unlink()
    assert verify(packed).nbytes == whole - size + 77


def test_a_url_that_cannot_be_read_is_never_a_local_directory(packed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    url = "memory://bucket/nothing"
    for call in (lambda: verify(url), lambda: verify(packed, url), lambda: repair(url)):
        with pytest.raises(ShardError, match=url):
            call()
    for argument, call in {
        "directory": lambda: verify("s3:/bucket/x"),
        "against": lambda: verify(packed, "s3:/bucket/x"),
    }.items():
        with pytest.raises(ValueError, match=f"`{argument}` must be a path or a URL"):
            call()
    assert sorted(os.listdir(tmp_path)) == ["packed"]


def test_a_directory_that_may_not_be_entered_is_named(packed, monkeypatch):
    """The tests may run as root, which may enter all: the system calls are replaced."""

    def denied(path, *args, **options):
        if str(path).startswith(str(packed)) and str(path) != str(packed):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **options)

    stat = os.stat
    monkeypatch.setattr(os, "stat", denied)
    for call in (verify, repair, ShardSequence):
        with pytest.raises(ShardError, match=r"packed: cannot be entered \(Permission denied\)"):
            call(packed)


def test_a_file_that_the_disk_cannot_read(packed, monkeypatch):
    def fails(path):
        if path.name == "shard-00003.pkl":
            raise OSError(5, "Input/output error")
        return checksum(path)

    checksum = check_shard.file_checksum
    monkeypatch.setattr(check_shard, "file_checksum", fails)
    fault = find_faults(packed)["shard-00003.pkl"]
    assert (fault.kind, fault.found) == ("unreadable", "Input/output error")


# What is shown


def test_a_report_prints_the_same_in_python_and_on_the_command_line(packed, capsys):
    flip(packed / "shard-00002.pkl")
    (packed / ".tmp-12345678-shard-00007.pkl").write_bytes(b"")
    report = verify(packed)
    assert capsys.readouterr() == ("", "")
    lines = str(report).splitlines()
    assert lines[0] == str(report.faults[0])
    assert lines[1].startswith("note: ")
    assert lines[-1] == report.summary()
    assert report.summary().startswith(f"{packed}: 1 fault; 6 shards, 50 sound rows, ")
    assert main(["verify", str(packed)]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[:-1] == lines[:-1]
    assert printed[-1].partition(" in ")[0] == lines[-1].partition(" in ")[0]


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_verbose_prints_a_summary(packed, capsys, verbose):
    report = verify(packed, verbose=verbose)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1:] == ([report.summary()] if verbose else [])


@pytest.mark.parametrize("verbose", ["auto", 0, 1, 2])
def test_verbose_reaches_every_progress_display(packed, shards, monkeypatch, verbose):
    shown = set()

    def record(items, total, description, *, verbose):
        shown.add((description.split()[0], verbose))
        return items

    pack(make_source(start=200), packed.parent / "other")
    modules = (
        "integrity.verify",
        "integrity.duplicates",
        "shards.reading.class_counts",
        "shards.opening.scan",
    )
    for module in modules:
        monkeypatch.setattr(f"keras_bigdata.{module}.track", record)
    verify(packed, packed.parent / "other", verbose=verbose)
    verify(shards([3, 4]), packed, fields=("x", "id"), verbose=verbose)
    titles = ("Verifying", "Counting", "Comparing", "Reading", "Scanning")
    assert shown == {(title, verbose) for title in titles}


def test_verbose_is_checked(packed):
    message = r"`verbose` must be 'auto', 0, 1 or 2\. Received: verbose=3"
    with pytest.raises(ValueError, match=message):
        verify(packed, verbose=3)


def test_representations_are_short_and_escaped(packed):
    sound = verify(packed)
    assert repr(sound) == f"Report('{packed}': no faults; 6 shards, 60 sound rows)"
    fault = Fault("<b>/shard-00000.pkl", "size", "9 bytes", "8 bytes", "Restore it." * 1000)
    assert repr(fault) == "Fault('<b>/shard-00000.pkl': size)"
    notes = ["<b>" * 1000] * 1000
    pairs = [("<b>", 1, "<b>", 2)] * 20
    many = Report(packed, [fault] * 1000, notes, 1000, 10**6, 10**12, 10.0, pairs)
    for each in (sound, fault, many):
        html = each._repr_html_()
        assert html.startswith("<table>")
        assert "<b>" not in html
        assert len(html) < 10_000
        assert len(repr(each)) < 300


@pytest.mark.slow
@pytest.mark.alone
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


def test_a_field_that_the_set_does_not_have_is_refused_without_a_second_set(tmp_path):
    pack(Arrays(x=np.zeros((4, 2)), labels=np.arange(4)), tmp_path / "set", workers=1)
    with pytest.raises(ShardError, match=r"no field 'label'\. The fields are: 'x', 'labels'"):
        verify(tmp_path / "set", fields="label")
    assert verify(tmp_path / "set", fields="labels").ok
