"""`text_length="variable"`: texts as rows of any length, in sources and in `encode_texts`."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata import (
    HDF5Table,
    ImageTable,
    Ragged,
    ShardIndex,
    ShardWriter,
    TextTable,
    encode_texts,
    pack,
)
from keras_bigdata.packing.sources.texts.tokens import build_vocabulary, encode, encode_ragged
from tests.helpers.image_files import write_image

TEXTS = ["A red cup", "the cup, the saucer", "", "It's café time " * 40, None, "red"]
LABELS = list("xyxyxy")


def table_of(texts: Sequence[str | None] = TEXTS, **options: Any) -> TextTable:
    columns = {"t": texts, "l": LABELS[: len(texts)]}
    return TextTable(columns, text="t", label="l", text_length="variable", **options)


def words_of(source: Any, tokens: Any) -> list[str]:
    return [source.vocabulary[token] for token in tokens]


def test_no_text_is_cut_or_padded():
    source = table_of()
    rows = [source[row]["texts"] for row in range(6)]
    assert all(row.dtype == np.int32 for row in rows)
    assert [row.shape for row in rows] == [(3,), (4,), (0,), (120,), (0,), (1,)]
    assert words_of(source, rows[1]) == ["the", "cup", "the", "saucer"]
    assert words_of(source, rows[3]) == ["it's", "café", "time"] * 40
    assert source.text_length == "variable"
    assert source.text_fields == ("texts",)


def test_the_vocabulary_and_the_ids_are_those_of_a_fixed_length():
    fixed = TextTable({"t": TEXTS}, text="t", text_length=200)
    source = table_of()
    assert source.vocabulary == fixed.vocabulary
    for row in range(6):
        tokens = source[row]["texts"]
        assert fixed[row]["texts"].tolist() == [*tokens, *[0] * (200 - len(tokens))]
    few = table_of(max_tokens=3)
    assert few.vocabulary == fixed.vocabulary[:3]
    assert set(np.concatenate([few[row]["texts"] for row in range(6)])) == {1, 2}


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from("abcdefg"), max_size=9), min_size=1, max_size=12))
def test_words_become_tokens_and_tokens_the_same_words(texts: list[list[str]]):
    vocabulary = build_vocabulary(texts, 100)
    tokens = encode_ragged(texts, vocabulary)
    assert isinstance(tokens, Ragged)
    assert tokens.dtype == np.int32
    assert [[vocabulary[token] for token in row] for row in tokens] == texts
    length = max(map(len, texts))
    assert np.array_equal(tokens.padded(), encode(texts, vocabulary, length))


def test_tokens_are_held_as_two_arrays_also_in_another_process():
    source = table_of()
    column = source._columns["texts"]
    assert isinstance(column, Ragged)
    assert column.offsets.tolist() == [0, 3, 7, 7, 127, 127, 128]
    part = pickle.loads(pickle.dumps(source.select([3, 0])))
    assert part._columns["texts"].values.tolist() == [*source[3]["texts"], *source[0]["texts"]]
    assert part[1]["texts"].tolist() == source[0]["texts"].tolist()


# Selections, groups, other arguments


def test_selections_splits_and_folds_keep_the_rows_together():
    texts = [f"w{row} " * (row % 7) for row in range(60)]
    columns = {
        "t": texts,
        "l": [row % 3 for row in range(60)],
        "site": [row // 4 for row in range(60)],
    }
    source = TextTable(columns, text="t", label="l", text_length="variable", keep="site")

    def check(part: TextTable) -> set[int]:
        numbers = part.row_numbers(np.arange(len(part)))
        for position, row in enumerate(numbers):
            sample = part[position]
            assert words_of(part, sample["texts"]) == texts[row].split()
            assert part.classes[sample["labels"]] == row % 3
        return set(numbers.tolist())

    assert check(source.select([9, 9, 2, 58])) == {9, 2, 58}
    assert check(source.select(np.arange(60) % 2 == 0).select([3, 1])) == {6, 2}
    train, val = source.split(0.25, groups="site")
    assert check(train) | check(val) == set(range(60))
    assert not {row // 4 for row in check(train)} & {row // 4 for row in check(val)}
    assert train.text_length == "variable"
    for train, val in source.folds(3):
        assert check(train) ^ check(val) == set(range(60))


def test_rows_of_any_length_are_neither_groups_nor_strata():
    source = table_of()
    for options in ({"groups": "texts"}, {"stratify": "texts"}):
        with pytest.raises(ValueError, match=r"'texts' has rows of any length\. Keep a column"):
            source.split(0.5, **options)


def test_other_arguments_of_the_table():
    columns = {
        "t": ["a b c", "a", "d d", "", "a b"],
        "l": ["x", "y", "z", "x", None],
        "n": [1, 2, 3, 4, 5],
        "target": [0.5, None, 1, 2, 3],
        "trust": [1, 1, 1, 0.5, 1],
    }
    source = TextTable(
        columns,
        text="t",
        label="l",
        numbers="n",
        target="target",
        missing="mask",
        sample_weight="trust",
        classes=["y", "x"],
        text_length="variable",
        keep="n",
    )
    # The class `z` is left out, with its text, but its words are not built from the others.
    assert len(source) == 4
    assert words_of(source, source[0]["texts"]) == ["a", "b", "c"]
    assert "d" not in source.vocabulary
    assert source[2]["texts"].shape == (0,)
    assert list(source[1]) == [
        *("texts", "numbers", "labels", "targets", "sample_weight", "sample_weight_targets")
    ]
    assert source.problems == {3: "row 3: there is no label"}


def test_several_columns_have_lengths_of_their_own(tmp_path: Path):
    columns = {"t": ["red cup here", "blue"], "b": ["a red cup is on the table", ""]}
    text = {"title": "t", "body": "b"}
    source = TextTable(columns, text=text, text_length={"title": 2, "body": "variable"})
    assert source.text_length == {"title": 2, "body": "variable"}
    assert [source[1][name].shape for name in text] == [(2,), (0,)]
    assert words_of(source, source[0]["title"]) == ["red", "cup"]
    assert len(source[0]["body"]) == 7
    assert "title (2,), body (any,)" in repr(source)
    assert "body: (any,)" in source._repr_html_()
    assert [note[:41] for note in source.packing_notes()] == [
        "body: 1 of 2 texts have no word: their ro"
    ]
    both = TextTable(columns, text=text, text_length="variable")
    assert both.text_length == {"title": "variable", "body": "variable"}
    longest = TextTable(columns, text=text, text_length={"title": None, "body": "variable"})
    assert longest.text_length == {"title": 3, "body": "variable"}
    # The lengths are taken over with the vocabulary, from the source and from the index.
    index = pack(source, tmp_path / "out", verbose=0)
    for known in (source, index, ShardIndex.load(tmp_path / "out")):
        again = TextTable(columns, text=text, vocabulary=known)
        assert again.text_length == source.text_length
        assert encode_texts(["red cup here is"], known, field="title").shape == (1, 2)
        assert encode_texts(["red cup here is"], known, field="body").shape == (1, 4)


def test_images_have_texts_of_any_length(tmp_path: Path):
    for row in range(3):
        write_image(tmp_path / f"{row}.png", row, (4, 5))
    columns = {"f": [f"{row}.png" for row in range(3)], "t": ["a red cup", "", "a"]}
    source = ImageTable(
        columns, image="f", text="t", root=tmp_path, size=(4, 5), text_length="variable"
    )
    assert "images (4, 5, 3), texts (any,)" in repr(source)
    assert source[0]["images"].shape == (4, 5, 3)
    index = pack(source, tmp_path / "out", shuffle=False, verbose=0)
    arrays = pickle.loads(index.path(0).read_bytes())
    assert arrays["texts"]["offsets"].tolist() == [0, 3, 3, 4]
    assert arrays["images"][:, 0, 0, 0].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="`text_length` needs `text`"):
        ImageTable(columns, image="f", size=(4, 4), text_length="variable")


# What is refused, and what is reported


@pytest.mark.parametrize(
    ("length", "error", "message"),
    [
        ("varable", ValueError, "of at least 1, or 'variable' for rows of any length. .*'varable'"),
        ("64", ValueError, "an integer of at least 1, or 'variable'"),
        (0, ValueError, "an integer of at least 1"),
        (2.5, TypeError, "an integer of at least 1"),
        (
            {"body": "variable"},
            ValueError,
            r"an integer or 'variable', or a dict with one for each",
        ),
        ({"texts": "long"}, ValueError, "an integer of at least 1, or 'variable'"),
    ],
)
def test_other_lengths_are_refused(length: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        TextTable({"t": ["a"]}, text="t", text_length=length)
    if not isinstance(length, dict):
        with pytest.raises(error, match=message):
            encode_texts(["a"], ["", "[UNK]"], length)


def test_a_source_of_one_length_does_not_take_over_rows_of_any_length(tmp_path: Path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["t"], file["x"] = ["a red cup", "a"], np.zeros(2)
    known = table_of()
    with pytest.raises(ValueError, match="`text_length` must be passed as an integer: the texts"):
        HDF5Table(tmp_path / "t.h5", "x", None, "t", vocabulary=known)
    table = HDF5Table(tmp_path / "t.h5", "x", None, "t", vocabulary=known, text_length=2)
    assert table[0]["texts"].shape == (2,)


def test_texts_without_a_word_are_reported_and_long_ones_are_not():
    notes = table_of().packing_notes()
    assert notes == [
        "2 of 6 texts have no word: their rows have length 0, and in a batch hold padding (0) "
        "only. After an Embedding with `mask_zero=True`, the average over the words of such a row "
        "is NaN."
    ]
    assert not table_of(["a " * 100, "b"]).packing_notes()


# The identity


def test_the_length_is_part_of_the_identity():
    same = ["a b", "c d"]
    fixed = TextTable({"t": same}, text="t", text_length=2)
    variable = TextTable({"t": same}, text="t", text_length="variable")
    assert (
        variable.fingerprint()
        == TextTable({"t": same}, text="t", text_length="variable").fingerprint()
    )
    assert variable.fingerprint()["text_length"] == "variable"
    assert variable.fingerprint() != fixed.fingerprint()
    # The same words in one order, but cut into rows at another place.
    moved = TextTable({"t": ["a", "b c d"]}, text="t", text_length="variable")
    assert moved.vocabulary == variable.vocabulary
    assert moved.fingerprint() != variable.fingerprint()


def test_the_size_of_a_row_is_that_of_its_tokens_and_its_offset():
    source = table_of(["a b c", "", "a b"])
    (form,) = source.stored_forms.values()
    assert (form.codec, form.padding, form.row_bytes) == (None, 0, 7 + 8)
    assert not TextTable({"t": ["a"]}, text="t").stored_forms


# New texts


def test_new_texts_are_padded_to_the_longest(tmp_path: Path):
    source = table_of()
    index = pack(source, tmp_path / "out", verbose=0)
    for known in (source, index, ShardIndex.load(tmp_path / "out")):
        tokens = encode_texts(["red cup", "the unseen red cup", None], known)
        assert tokens.dtype == np.int32
        assert [words_of(source, row) for row in tokens] == [
            ["red", "cup", "", ""],
            ["the", "[UNK]", "red", "cup"],
            [""] * 4,
        ]
        assert encode_texts(["red cup", "the red cup"], known, text_length=2).shape == (2, 2)
    # A layer refuses an input without a column.
    assert encode_texts(["", "?"], index).tolist() == [[0], [0]]
    assert encode_texts([], index).shape == (0, 1)
    assert encode_texts(["a b c"], ["", "[UNK]", "a"], "variable").tolist() == [[2, 1, 1]]


def test_a_set_of_ones_own_loop_has_rows_of_any_length(tmp_path: Path):
    source = table_of()
    rows = Ragged.from_rows([source[row]["texts"] for row in range(6)])
    with ShardWriter(tmp_path / "out", inputs="texts", vocabulary=source.vocabulary) as writer:
        writer.write({"texts": rows})
    index = ShardIndex.load(tmp_path / "out")
    assert encode_texts(["the cup is red"], index).shape == (1, 4)
    assert TextTable({"t": ["red"]}, text="t", vocabulary=index).text_length == "variable"
