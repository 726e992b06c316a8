"""`pack(append=True)`: what it adds to a packed directory, and what it does not repeat."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_bigdata import Arrays, PackError, ShardIndex, ShardSequence, TextTable, pack, verify
from keras_bigdata.cli import main
from tests.helpers.appended_sets import FIRST_LABELS, MORE_LABELS, pack_first, pack_more, source_of
from tests.helpers.packs import read_files, read_rows
from tests.packing.small_sources import Numbers, add_noise, open_table


def label_of_x(index: ShardIndex) -> dict[float, Any]:
    rows = read_rows(index)
    return {x: index.classes[i] for x, i in zip(rows["x"], rows["labels"], strict=True)}


# What is added


def test_classes_keep_their_numbers_and_new_ones_come_after_them(packed: Path):
    before = read_files(packed)
    index = pack_more(packed)
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
    index = pack_more(packed)
    for shard in np.flatnonzero(index.source == 1):
        arrays = pickle.loads(index.path(shard).read_bytes())
        assert np.array_equal(arrays["row"] + 100, arrays["x"])


def test_a_third_source_continues_the_lists_of_the_second(packed: Path):
    pack_more(packed)
    index = pack(source_of(["ant", "bee"], 200), packed, append=True)
    assert index.classes == ["cat", "dog", "bee", "cow", "ant"]
    assert index.class_counts == [5, 8, 4, 3, 1]
    assert index.source.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert [record["number"] for record in index.provenance["appended"]] == [1, 2]
    assert label_of_x(index)[200] == "ant"


@pytest.mark.slow
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
    pack_first(tmp_path / "missing", append=True)
    (tmp_path / "empty").mkdir()
    pack_first(tmp_path / "empty", append=True)
    assert read_files(tmp_path / "missing") == read_files(packed)
    assert read_files(tmp_path / "empty") == read_files(packed)


# The same call again


def test_the_same_call_adds_nothing(packed: Path, capsys):
    pack_more(packed)
    files = read_files(packed)
    capsys.readouterr()
    assert pack_more(packed).num_samples == 19
    assert "was appended already; nothing to do" in capsys.readouterr().err
    assert pack_first(packed, append=True).num_samples == 19
    assert read_files(packed) == files


def test_a_source_with_classes_of_the_directory_is_the_same_when_they_have_grown(packed: Path):
    def dogs() -> Arrays:
        return Arrays(
            x=np.float32([50, 51]), labels=["dog", "dog"], classes=ShardIndex.load(packed)
        )

    pack(dogs(), packed, append=True)
    pack_more(packed)
    assert pack(dogs(), packed, append=True).num_samples == 21


@pytest.mark.parametrize("options", [{"seed": 1}, {"shard_samples": 5}, {"shuffle": False}])
def test_the_same_rows_with_other_arguments_are_refused(packed: Path, options):
    files = read_files(packed)
    with pytest.raises(PackError, match=f"{next(iter(options))} was .* would be there twice"):
        pack(source_of(FIRST_LABELS), packed, append=True, **{"shard_samples": 4, **options})
    assert read_files(packed) == files


def test_without_append_a_call_that_was_appended_to_is_refused(packed: Path):
    pack_more(packed)
    with pytest.raises(PackError, match=r"1 more were appended since.* append=True"):
        pack_first(packed)
    with pytest.raises(PackError, match="This call was appended to it: pass append=True"):
        pack_more(packed, append=False)


def test_files_that_changed_are_refused(tmp_path: Path, photos: Path):
    table = open_table(photos, text_length=3).select(range(4))
    pack(table, tmp_path / "p")
    shutil.copy(photos / "5.png", photos / "1.png")
    with pytest.raises(PackError, match=r"files changed since: 1 of 4.*corrections"):
        pack(table, tmp_path / "p", append=True)


# Training and the command


def test_a_running_training_keeps_the_set_that_it_opened(packed: Path):
    served: list[float] = []

    def record(batch: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
        served.extend(batch["x"].tolist())
        return batch

    sequence = ShardSequence(packed, 5, transform=record)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    appending = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: pack_more(packed))
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
