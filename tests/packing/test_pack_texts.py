"""Texts of any length, packed: the bytes in the shards, after stops, by workers, appended."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata import PackError, Ragged, ShardIndex, TextTable, pack, repair
from keras_bigdata.cli import main
from keras_bigdata.packing.samples.stored_form import StoredForm
from keras_bigdata.shards.reading.read_column import read_ragged
from tests.helpers.image_files import write_image
from tests.helpers.packs import read_files

ROWS = 40


def text_of(row: int) -> str:
    return " ".join(f"w{(row * 7 + word) % 50}" for word in range(row % 9))


def table_of(rows: int = ROWS, first: int = 0, **options: Any) -> TextTable:
    numbers = range(first, first + rows)
    columns = {"t": [text_of(row) for row in numbers], "l": [row % 3 for row in numbers]}
    options = {"text_length": "variable", **options}
    return TextTable(columns, text="t", label="l", **options)


def read_words(index: ShardIndex, name: str = "texts", variant: int = 0) -> list[str]:
    """Returns the texts of a set, read by plain pickle."""
    texts = []
    for shard in np.flatnonzero(index.variant == variant):
        arrays = pickle.loads(index.path(shard).read_bytes())
        values, offsets = arrays[name]["values"], arrays[name]["offsets"]
        assert (values.dtype, offsets.dtype) == (np.int32, np.int64)
        for start, stop in pairwise(offsets):
            texts.append(" ".join(index.vocabulary[token] for token in values[start:stop]))
    return texts


def read_row_numbers(index: ShardIndex) -> list[int]:
    shards = [pickle.loads(index.path(shard).read_bytes()) for shard in range(len(index))]
    return [int(row) for shard in shards for row in shard["row"]]


def test_a_shard_holds_the_words_of_each_row(tmp_path: Path):
    index = pack(table_of(), tmp_path / "out", shard_samples=12, verbose=0)
    assert len(index) == 4
    assert read_words(index) == [text_of(row) for row in read_row_numbers(index)]
    field = ShardIndex.load(tmp_path / "out").fields["texts"]
    assert (field.shape, field.dtype, field.codec, field.padding) == ((None,), np.int32, None, 0)
    texts = read_ragged(index, 1, "texts")
    stored = pickle.loads(index.path(1).read_bytes())["texts"]
    assert isinstance(texts, Ragged)
    assert np.array_equal(texts.values, stored["values"])
    assert np.array_equal(texts.offsets, stored["offsets"])


def test_texts_without_any_word_are_packed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = TextTable({"t": ["", None, "?"]}, text="t", text_length="variable")
    index = pack(source, tmp_path / "out", shuffle=False)
    assert read_words(index) == ["", "", ""]
    assert "3 of 3 texts have no word: their rows have length 0" in capsys.readouterr().err


def test_the_bytes_are_those_of_one_thread_and_of_a_pack_that_was_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    options: dict[str, Any] = {"shard_samples": 6, "shuffle": False, "verbose": 0}
    pack(table_of(), tmp_path / "one", workers=1, **options)
    expected = read_files(tmp_path / "one")
    pack(table_of(), tmp_path / "two", workers=2, **options)
    assert read_files(tmp_path / "two") == expected

    with monkeypatch.context() as patched:
        read = TextTable.__getitem__

        def stop(self: TextTable, row: int) -> dict[str, Any]:
            if int(self.row_numbers(np.array([row]))[0]) == 11:
                raise PackError("stopped")
            return read(self, row)

        patched.setattr(TextTable, "__getitem__", stop)
        # It is the class of this package, whatever the module of the function.
        patched.setattr(TextTable, "reads_rows_its_own_way", lambda self: False)
        with pytest.raises(PackError, match="row 11: stopped"):
            pack(table_of(), tmp_path / "stopped", workers=1, **options)
    done = [name for name in read_files(tmp_path / "stopped") if name.endswith(".pkl")]
    assert len(done) == 1
    pack(table_of(), tmp_path / "stopped", workers=1, **options)
    assert read_files(tmp_path / "stopped") == expected


def shorten_and_shift(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Drops words at random, and changes the sample in place, as users do."""
    kept = sample["texts"][rng.random(len(sample["texts"])) < 0.5]
    sample["texts"][:] = 1
    return {**sample, "texts": kept}


def test_augment_may_change_the_length(tmp_path: Path):
    source = table_of()
    options: dict[str, Any] = {"variants": 2, "augment": shorten_and_shift, "shard_samples": 9}
    index = pack(source, tmp_path / "out", workers=1, verbose=0, **options)
    variants = [read_words(index, variant=variant) for variant in range(2)]
    whole = [text_of(row).split() for row in read_row_numbers(index)[:ROWS]]
    for texts in variants:
        assert texts != [" ".join(words) for words in whole]
        for text, words in zip(texts, whole, strict=True):
            rest = iter(words)
            assert all(word in rest for word in text.split())
    assert variants[0] != variants[1]
    # `augment` has changed copies, and not the source.
    assert [source.vocabulary[token] for token in source[5]["texts"]] == text_of(5).split()


@pytest.mark.slow
def test_worker_processes_write_the_same_bytes(tmp_path: Path):
    options: dict[str, Any] = {"variants": 2, "augment": shorten_and_shift, "shard_samples": 9}
    for workers in (1, 2):
        pack(table_of(), tmp_path / str(workers), workers=workers, verbose=0, **options)
    assert read_files(tmp_path / "2") == read_files(tmp_path / "1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.astype(np.int64) if len(row) > 3 else row, "'texts' is int64 of shape"),
        (
            lambda row: row.reshape(2, -1) if len(row) == 4 else row,
            r"shape \(2, 2\); in other rows",
        ),
    ],
)
def test_augment_must_keep_the_dtype_and_the_other_dimensions(
    tmp_path: Path, change: Any, message: str
):
    def augment(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {**sample, "texts": change(sample["texts"])}

    with pytest.raises(PackError, match=message) as caught:
        pack(table_of(), tmp_path / "out", augment=augment, workers=1, verbose=0)
    assert "in other rows it is int32 of shape (any,)" in str(caught.value)


# The same pack, and additions to it


def test_another_text_length_is_another_pack(tmp_path: Path):
    pack(table_of(), tmp_path / "out", verbose=0)
    before = read_files(tmp_path / "out")
    assert pack(table_of(), tmp_path / "out", verbose=0).num_samples == ROWS
    with pytest.raises(PackError, match="text_length was 'variable' and is 8"):
        pack(table_of(text_length=8), tmp_path / "out", verbose=0)
    assert read_files(tmp_path / "out") == before


def test_appended_rows_have_the_numbers_of_the_continued_vocabulary(tmp_path: Path):
    first = table_of(20)
    pack(first, tmp_path / "out", shard_samples=8, verbose=0)
    more = table_of(20, 20)
    assert more.vocabulary[: len(first.vocabulary)] != first.vocabulary
    index = pack(more, tmp_path / "out", append=True, shard_samples=8, verbose=0)
    assert index.vocabulary[: len(first.vocabulary)] == first.vocabulary
    rows = read_row_numbers(index)
    rows[20:] = [20 + row for row in rows[20:]]
    assert read_words(index) == [text_of(row) for row in rows]
    again = pack(more, tmp_path / "out", append=True, shard_samples=8, verbose=0)
    assert again.num_samples == 40
    with pytest.raises(PackError, match=r"fields differ.*\(rows, any\).*same arguments.*text_len"):
        pack(table_of(9, 50, text_length=8), tmp_path / "out", append=True, verbose=0)


class OwnTokens:
    """A source of the user's own, whose rows of integers may be words or other numbers."""

    def __init__(self, word: str, rows: int, text_fields: tuple[str, ...] | None = None) -> None:
        self.vocabulary = ["", "[UNK]", word]
        self.roles = {"inputs": ("words", "ages"), "targets": "labels"}
        self.stored_forms = dict.fromkeys(("words", "ages"), StoredForm(row_bytes=16))
        self.rows = rows
        if text_fields is not None:
            self.text_fields = text_fields

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> dict[str, Any]:
        words = np.full(row, 2, np.int32)
        return {"words": words, "ages": words, "labels": row % 2}


def test_fields_of_integers_of_any_length_may_hold_words_or_other_numbers(tmp_path: Path):
    pack(OwnTokens("a", 4), tmp_path / "out", verbose=0)
    with pytest.raises(PackError, match="its field 'words' of integers may hold numbers of words"):
        pack(OwnTokens("b", 5), tmp_path / "out", append=True, verbose=0)
    source = OwnTokens("b", 5, ("words",))
    index = pack(source, tmp_path / "out", append=True, verbose=0)
    words, ages = (read_ragged(index, 1, name) for name in ("words", "ages"))
    assert set(words.values) == {3}
    assert set(ages.values) == {2}


def test_repair_writes_the_same_bytes(tmp_path: Path):
    pack(table_of(), tmp_path / "out", shard_samples=9, verbose=0)
    before = read_files(tmp_path / "out")
    (tmp_path / "out" / "shard-00002.pkl").unlink()
    repair(tmp_path / "out", source=table_of(), dry_run=False, verbose=0)
    assert read_files(tmp_path / "out") == before


# The command


def test_the_command_packs_texts_of_any_length(tmp_path: Path, capsys):
    lines = [f"{text_of(row)},{row % 3}" for row in range(ROWS)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *lines]))
    arguments = ["pack", "texts", str(tmp_path / "t.csv"), "--text", "text", "--label", "label"]
    variable = ["--text-length", "variable", "-o", str(tmp_path / "out")]
    assert main([*arguments, *variable]) in (None, 0)
    index = ShardIndex.load(tmp_path / "out")
    assert read_words(index) == [text_of(row) for row in read_row_numbers(index)]
    # The length of a validation set is that of the training set.
    like = ["--like", str(tmp_path / "out"), "-o", str(tmp_path / "like")]
    assert main([*arguments, *like]) in (None, 0)
    assert ShardIndex.load(tmp_path / "like").fields["texts"].is_ragged
    with pytest.raises(SystemExit):
        main([*arguments, "--text-length", "long", "-o", str(tmp_path / "no")])
    assert "expected a number of tokens or 'variable', received 'long'" in capsys.readouterr().err


def test_the_command_packs_images_with_texts_of_any_length(tmp_path: Path, capsys):
    for row in range(3):
        write_image(tmp_path / f"{row}.png", row)
    lines = [f"{row}.png,{text_of(row)}" for row in range(3)]
    (tmp_path / "t.csv").write_text("\n".join(["file,text", *lines]))
    arguments = ["pack", "images", str(tmp_path / "t.csv"), "--image", "file", "--size", "4x4"]
    variable = ["--text-length", "variable", "-o", str(tmp_path / "out")]
    assert main([*arguments, "--text", "text", *variable]) in (None, 0)
    index = ShardIndex.load(tmp_path / "out")
    assert read_words(index) == [text_of(row) for row in read_row_numbers(index)]
    assert main([*arguments, *variable]) == 1
    assert "--text-length needs --text" in capsys.readouterr().err
