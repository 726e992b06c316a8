"""`pack(append=True)`: shards that are added to a packed directory."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata import Arrays, PackError, ShardIndex, ShardSequence, TextTable, pack, verify
from keras_bigdata.cli import main
from keras_bigdata.packing import resume_state
from tests.helpers.packs import read_files, read_rows
from tests.packing.small_sources import Numbers, add_noise, open_table

FIRST_LABELS = ["dog", "cat"] * 5
MORE_LABELS = ["cow", "dog", "bee"] * 3


def source_of(labels: list[str], start: int = 0) -> Arrays:
    """One row per label; `x` is unique."""
    return Arrays(x=np.arange(start, start + len(labels), dtype=np.float32), labels=labels)


def first(directory: Path, **options: Any) -> ShardIndex:
    return pack(source_of(FIRST_LABELS), directory, shard_samples=4, workers=1, **options)


def more(directory: Path, **options: Any) -> ShardIndex:
    options = {"append": True, "workers": 1, **options}
    return pack(source_of(MORE_LABELS, 100), directory, shard_samples=4, **options)


def label_of_x(index: ShardIndex) -> dict[float, Any]:
    rows = read_rows(index)
    return {x: index.classes[i] for x, i in zip(rows["x"], rows["labels"], strict=True)}


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    first(tmp_path / "all")
    return tmp_path / "all"


# What is added


def test_classes_keep_their_numbers_and_new_ones_come_after_them(packed: Path):
    before = read_files(packed)
    index = more(packed)
    assert index.classes == ["cat", "dog", "bee", "cow"]
    assert index.class_counts == [5, 8, 3, 3]
    assert index.num_samples == 19
    expected = dict(enumerate(FIRST_LABELS)) | dict(enumerate(MORE_LABELS, 100))
    assert label_of_x(index) == expected
    assert index.names[3:] == ["shard-00003.pkl", "shard-00004.pkl", "shard-00005.pkl"]
    assert index.source.tolist() == [0, 0, 0, 1, 1, 1]
    after = read_files(packed)
    assert {name: after[name] for name in before if name != "index.json"} == {
        name: data for name, data in before.items() if name != "index.json"
    }
    loaded = ShardIndex.load(packed)
    assert loaded.classes == index.classes
    assert loaded.source.tolist() == index.source.tolist()
    assert verify(packed).ok
    assert not (packed / ".packing").exists()


def test_the_column_row_counts_the_rows_of_the_appended_source(packed: Path):
    import pickle

    index = more(packed)
    for shard in np.flatnonzero(index.source == 1):
        arrays = pickle.loads(index.path(shard).read_bytes())
        assert np.array_equal(arrays["row"] + 100, arrays["x"])


def test_a_third_source_continues_the_lists_of_the_second(packed: Path):
    more(packed)
    index = pack(source_of(["ant", "bee"], 200), packed, append=True)
    assert index.classes == ["cat", "dog", "bee", "cow", "ant"]
    assert index.class_counts == [5, 8, 4, 3, 1]
    assert index.source.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert [record["number"] for record in index.provenance["appended"]] == [1, 2]
    assert label_of_x(index)[200] == "ant"


def test_variants_and_augment(tmp_path: Path):
    options: dict[str, Any] = {"variants": 2, "augment": add_noise, "shard_samples": 8}
    pack(Numbers(20), tmp_path / "v", **options)
    index = pack(Numbers(13), tmp_path / "v", append=True, **options)
    assert index.num_samples == 33
    assert index.variant.tolist() == [0] * 5 + [1] * 5
    assert index.class_counts == np.bincount([*(np.arange(20) % 3), *(np.arange(13) % 3)]).tolist()
    assert verify(tmp_path / "v").ok
    with pytest.raises(PackError, match=r"variants differ. They are 2 in the dir.* and 1 in this"):
        pack(Numbers(11), tmp_path / "v", append=True)


def test_images_with_texts_and_skipped_rows(tmp_path: Path, photos: Path):
    table = open_table(photos, text_length=3)
    pack(table.select(range(30)), tmp_path / "p")
    (photos / "40.jpg").write_bytes(b"broken")
    rest = table.select(range(30, 60))
    with pytest.raises(PackError, match=r"40.jpg"):
        pack(rest, tmp_path / "p", append=True)
    assert ShardIndex.load(tmp_path / "p").num_samples == 30
    index = pack(rest, tmp_path / "p", append=True, on_error="skip")
    assert index.num_samples == 59
    assert [entry["row"] for entry in index.provenance["appended"][0]["skipped"]] == [10]
    assert index.provenance["skipped"] == []
    with pytest.raises(PackError, match="1 rows were left out"):
        pack(rest, tmp_path / "p", append=True)
    assert pack(rest, tmp_path / "p", append=True, on_error="skip").num_samples == 59


def test_words_keep_their_numbers_and_unknown_ones_stay_unknown(tmp_path: Path):
    def texts(values: list[str], **options: Any) -> TextTable:
        table = {"text": values, "label": ["x"] * len(values)}
        return TextTable(table, text="text", label="label", text_length=3, **options)

    old = pack(texts(["red cup", "red pot", "red jar"], max_tokens=4), tmp_path / "t")
    assert old.vocabulary == ["", "[UNK]", "red", "cup"]
    index = pack(texts(["pot cup", "pot red lid"]), tmp_path / "t", append=True, shuffle=False)
    assert index.vocabulary[:4] == old.vocabulary
    assert sorted(index.vocabulary[4:]) == ["lid", "pot"]
    rows = read_rows(index)["texts"]
    assert sorted(rows[:3].tolist()) == [[2, 1, 0], [2, 1, 0], [2, 3, 0]]
    words = [[index.vocabulary[token] for token in row] for row in rows[3:]]
    assert words == [["pot", "cup", ""], ["pot", "red", "lid"]]


def test_several_labels_are_renumbered_each_by_its_own_list(tmp_path: Path):
    def table(kinds: list[str], sites: list[int]) -> TextTable:
        columns = {"text": ["a"] * len(kinds), "kind": kinds, "site": sites}
        return TextTable(columns, text="text", label=["kind", "site"], text_length=1)

    pack(table(["m", "n", "m"], [7, 9, 9]), tmp_path / "s")
    index = pack(table(["n", "a"], [9, 8]), tmp_path / "s", append=True, shuffle=False)
    assert index.classes == {"kind": ["m", "n", "a"], "site": [7, 9, 8]}
    rows = read_rows(index)
    assert rows["kind"][3:].tolist() == [1, 2]
    assert rows["site"][3:].tolist() == [1, 2]


def test_class_numbers_without_names_stay_as_they_are(tmp_path: Path):
    pack(Arrays(x=np.zeros(4), labels=[0, 1, 2, 0]), tmp_path / "n")
    index = pack(Arrays(x=np.ones(3), labels=[1, 4, 4]), tmp_path / "n", append=True)
    assert index.classes is None
    assert index.class_counts == [2, 2, 1, 0, 2]


def test_into_an_empty_or_missing_directory_it_is_a_pack(tmp_path: Path, packed: Path):
    first(tmp_path / "missing", append=True)
    (tmp_path / "empty").mkdir()
    first(tmp_path / "empty", append=True)
    assert read_files(tmp_path / "missing") == read_files(packed)
    assert read_files(tmp_path / "empty") == read_files(packed)


# The same call again


def test_the_same_call_adds_nothing(packed: Path, capsys):
    more(packed)
    files = read_files(packed)
    capsys.readouterr()
    assert more(packed).num_samples == 19
    assert "was appended already; nothing to do" in capsys.readouterr().err
    assert first(packed, append=True).num_samples == 19
    assert read_files(packed) == files


def test_a_source_with_classes_of_the_directory_is_the_same_when_they_have_grown(packed: Path):
    def dogs() -> Arrays:
        return Arrays(
            x=np.float32([50, 51]), labels=["dog", "dog"], classes=ShardIndex.load(packed)
        )

    pack(dogs(), packed, append=True)
    more(packed)
    assert pack(dogs(), packed, append=True).num_samples == 21


@pytest.mark.parametrize("options", [{"seed": 1}, {"shard_samples": 5}, {"shuffle": False}])
def test_the_same_rows_with_other_arguments_are_refused(packed: Path, options):
    files = read_files(packed)
    with pytest.raises(PackError, match=f"{next(iter(options))} was .* would be there twice"):
        pack(source_of(FIRST_LABELS), packed, append=True, **{"shard_samples": 4, **options})
    assert read_files(packed) == files


def test_without_append_a_call_that_was_appended_to_is_refused(packed: Path):
    more(packed)
    with pytest.raises(PackError, match=r"1 more were appended since.* append=True"):
        first(packed)
    with pytest.raises(PackError, match="This call was appended to it: pass append=True"):
        more(packed, append=False)


def test_files_that_changed_are_refused(tmp_path: Path, photos: Path):
    table = open_table(photos, text_length=3).select(range(4))
    pack(table, tmp_path / "p")
    shutil.copy(photos / "5.png", photos / "1.png")
    with pytest.raises(PackError, match=r"files changed since: 1 of 4.*corrections"):
        pack(table, tmp_path / "p", append=True)


# What is refused


def one_hot(names: list[str], numbers: list[int], **options: Any) -> Arrays:
    labels = np.eye(len(names), dtype=np.uint8)[numbers]
    return Arrays(x=np.arange(len(numbers)) + 0.5, labels=labels, classes=names, **options)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            Arrays(x=np.float32([1, 2]), labels=[0, 1]),
            r"classes are \['cat', 'dog'\] in the directory and none in the source",
        ),
        (
            Arrays(x=np.float32([1, 2]), labels=["1", "2"], classes=[1, 2]),
            r"\['cat', 'dog'\] in the directory and \[1, 2\] in the source, .* two ways",
        ),
        (
            Arrays(x=np.float64([1, 2]), labels=["cat", "dog"]),
            r"fields differ. They are .*float32 .* in the directory and .*float64",
        ),
        (
            Arrays(x=np.float32([1, 2]), w=[1, 2], labels=["cat", "dog"], sample_weights="w"),
            "roles differ. They are inputs='x', targets='labels' in the dir.*sample_weights='w'",
        ),
        (
            TextTable({"x": ["a"], "y": ["cat"]}, text="x", label="y"),
            "roles differ. They are inputs='x'",
        ),
    ],
)
def test_a_source_that_differs_is_refused_with_both_lists(packed: Path, source, message):
    files = read_files(packed)
    with pytest.raises(PackError, match=f"cannot be appended: .*{message}"):
        pack(source, packed, append=True)
    assert read_files(packed) == files
    assert not (packed / ".packing").exists()


def test_labels_with_one_column_per_class_have_no_room_for_new_ones(tmp_path: Path):
    out = tmp_path / "h"
    pack(one_hot(["a", "b", "c"], [0, 1, 2, 1]), out)
    with pytest.raises(PackError, match=r"new classes: \['d'\].*one column per class"):
        pack(one_hot(["a", "b", "c", "d"], [3, 1]), out, append=True)
    for names in (["b", "a", "c"], ["a", "b"]):
        with pytest.raises(PackError, match="others, or in another order"):
            pack(one_hot(names, [1, 0]), out, append=True)
    index = pack(one_hot(["a", "b", "c"], [0, 0]), out, append=True)
    assert index.class_counts == [3, 2, 1]


def test_more_classes_than_the_dtype_holds_are_refused(tmp_path: Path):
    def numbered(names: list[str], dtype: type) -> Arrays:
        return Arrays(
            x=np.zeros(len(names)) + len(names[0]),
            labels=np.arange(len(names)).astype(dtype),
            classes=names,
        )

    pack(numbered(["no", "yes"], bool), tmp_path / "b")
    with pytest.raises(PackError, match=r"3 classes, but the field .*bool.* up to 1 only"):
        pack(numbered(["maybe", "no"], bool), tmp_path / "b", append=True)
    pack(numbered([f"c{i}" for i in range(200)], np.uint8), tmp_path / "u")
    with pytest.raises(PackError, match=r"400 classes, but the field .*uint8.* up to 255 only"):
        pack(numbered([f"new{i}" for i in range(200)], np.uint8), tmp_path / "u", append=True)


def test_two_spellings_of_one_class_are_refused(tmp_path: Path):
    pack(Arrays(x=[1.0, 2.0], labels=["3", "4"], classes=["3", "4"]), tmp_path / "s")
    source = Arrays(x=[1.5, 2.5], labels=["3.0", "x"], classes=["3", "3.0", "x"])
    with pytest.raises(PackError, match="two classes of the source, and both are the class '3'"):
        pack(source, tmp_path / "s", append=True)


def test_a_number_without_a_name_is_refused_and_nothing_changes(packed: Path):
    class Wrong:
        classes = ("bee", "dog")

        def __len__(self) -> int:
            return 3

        def __getitem__(self, row: int) -> dict[str, Any]:
            return {"x": np.float32(row), "labels": np.int32(row)}

    files = read_files(packed)
    with pytest.raises(PackError, match="2 classes, but the largest label is 2"):
        pack(Wrong(), packed, append=True, workers=1)
    assert read_files(packed) == files
    assert ShardIndex.load(packed).classes == ["cat", "dog"]


def test_shards_that_no_source_is_recorded_of_are_refused(tmp_path: Path):
    from keras_bigdata import capture

    capture([(np.ones((4, 2)), np.zeros(4))], tmp_path / "c")
    with pytest.raises(PackError, match=r"does not name a source .*'capture'.*Shards"):
        pack(Arrays(x=np.ones((4, 2)), labels=np.zeros(4)), tmp_path / "c", append=True)


def test_a_shard_that_the_index_does_not_name_is_not_overwritten(packed: Path):
    stray = packed / "shard-00003.pkl"
    stray.write_bytes(b"mine")
    with pytest.raises(PackError, match=r"does not name: shard-00003.pkl"):
        more(packed)
    assert stray.read_bytes() == b"mine"
    assert not (packed / ".packing").exists()


# Interrupted


@pytest.fixture
def interrupted(packed: Path, monkeypatch) -> Path:
    """The directory after an append that was stopped after its second shard."""
    original, written = resume_state.write_record, []

    def fail(directory: Path, record: Any) -> None:
        if len(written) == 2:
            raise OSError("no space left")
        written.append(record)
        original(directory, record)

    with monkeypatch.context() as patch:
        patch.setattr("keras_bigdata.packing.shard_jobs.write_record", fail)
        with pytest.raises(PackError, match="no space left"):
            more(packed)
    assert (packed / ".packing" / "manifest.json").exists()
    return packed


def test_until_its_index_is_written_the_former_set_is_read(interrupted: Path):
    report = verify(interrupted)
    assert report.ok
    assert "was stopped, or is still running: 3 shards" in str(report.notes)
    assert len(ShardSequence(interrupted, 5)) == 2
    assert first(interrupted).num_samples == 10  # and does not disturb the state
    assert (interrupted / ".packing" / "manifest.json").exists()


def test_it_continues_and_ends_with_the_same_bytes(tmp_path: Path, interrupted: Path, packed: Path):
    times = {path.name: path.stat().st_mtime_ns for path in packed.glob("shard-*.pkl")}
    more(interrupted)
    first(tmp_path / "at once")
    more(tmp_path / "at once")
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
        patch.setattr(resume_state, "_remove_state", lambda state: None)
        more(packed)
    assert list((packed / ".packing").glob("shard-*.json"))
    index = pack(source_of(["cat"], 300), packed, append=True)
    assert index.num_samples == 20
    assert not (packed / ".packing").exists()


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_appends(tmp_path: Path, start_pack):
    import signal

    from tests.helpers.packs import wait_for

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


# Training and the command


def test_a_running_training_keeps_the_set_that_it_opened(packed: Path):
    import keras

    served: list[float] = []

    def record(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        served.extend(batch["x"].tolist())
        return batch

    sequence = ShardSequence(packed, 5, transform=record)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    appending = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: more(packed))
    model.fit(sequence, epochs=2, callbacks=[appending], verbose=0)
    assert len(ShardIndex.load(packed)) == 6
    assert set(served) == set(range(10))
    assert len(ShardSequence(packed, 5)) == 4


def test_the_command_appends(tmp_path: Path, capsys):
    for number, label in enumerate(("good", "bad")):
        (tmp_path / f"{number}.csv").write_text(f"text,label\nword {number},{label}\n")
        arguments = ["--text", "text", "--label", "label", "--text-length", "2", "--append"]
        source = str(tmp_path / f"{number}.csv")
        assert main(["pack", "texts", source, *arguments, "-o", str(tmp_path / "o")]) in (None, 0)
    index = ShardIndex.load(tmp_path / "o")
    assert index.classes == ["good", "bad"]
    assert index.num_samples == 2
    main(["info", str(tmp_path / "o")])
    assert "appended: 1 pack" in capsys.readouterr().out
