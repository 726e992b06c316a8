"""Texts become token ids, when they are packed and afterwards."""

from __future__ import annotations

import re
import textwrap
import unicodedata

import h5py
import numpy as np
import pandas as pd
import pytest

from keras_bigdata import (
    Arrays,
    HDF5Table,
    ImageTable,
    ShardIndex,
    ShardSequence,
    TextTable,
    encode_texts,
    pack,
)
from keras_bigdata.packing.sources.texts.tokens import build_vocabulary, encode, split_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog, isn't it?", ["a", "dog", "isn't", "it"]),
        ("don\u2019t 'quote' me_2", ["don't", "quote", "me_2"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("ที่นี่ ดี", ["ที่นี่", "ดี"]),
        ("Straße, naïve café", ["straße", "naïve", "café"]),
        ("", []),
    ],
)
def test_words_of_any_script(text, expected):
    assert split_words(text) == [unicodedata.normalize("NFC", word) for word in expected]


def test_a_letter_is_the_same_however_it_is_written():
    assert split_words(unicodedata.normalize("NFD", "café")) == split_words("café")


def test_words():
    assert split_words("A Dog's life \u2014 it\u2019s *fine* (2 of 3), 'quoted'") == [
        *("a", "dog's", "life", "it's", "fine", "2", "of", "3", "quoted")
    ]
    assert split_words("Ein Bär läuft. 犬が走る") == ["ein", "bär", "läuft", "犬が走る"]
    assert split_words("  ") == []


def test_the_vocabulary_goes_by_frequency_then_alphabet():
    texts = [["b", "a"], ["c", "b"], ["c"]]
    assert build_vocabulary(texts, 100) == ["", "[UNK]", "b", "c", "a"]
    vocabulary = build_vocabulary(texts, 4)
    assert vocabulary == ["", "[UNK]", "b", "c"]
    assert encode(texts, vocabulary, 3).tolist() == [[2, 1, 0], [3, 2, 0], [3, 0, 0]]
    assert encode(texts, vocabulary, 1).tolist() == [[2], [3], [3]]


def test_new_texts_are_encoded_as_the_packed_ones(tmp_path):
    texts = ["A red cup", "the cup, the saucer", "It's café time", ""]
    source = TextTable({"t": texts}, text="t", text_length=4)
    index = pack(source, tmp_path / "shards", shuffle=False)
    packed = ShardSequence(tmp_path / "shards", 4, inputs="texts", shuffle=None)
    x = packed[0][0]
    for holder in (source, index, packed, ShardIndex.load(tmp_path / "shards")):
        np.testing.assert_array_equal(encode_texts(texts, holder), x)
    np.testing.assert_array_equal(encode_texts(texts, index.vocabulary, 4), x)
    new = encode_texts(["The UNSEEN cup", None], index)
    assert new.dtype == np.int32
    words = [[index.vocabulary[token] for token in row] for row in new]
    assert words == [["the", "[UNK]", "cup", ""], [""] * 4]
    assert encode_texts(texts, index, text_length=2).shape == (4, 2)


def test_texts_that_cannot_be_encoded_are_refused(tmp_path):
    with pytest.raises(TypeError, match="a list of texts, not one"):
        encode_texts("a cup", ["", "[UNK]"], 3)
    with pytest.raises(ValueError, match="`text_length` must be passed"):
        encode_texts(["a cup"], ["", "[UNK]"])
    index = pack(Arrays(x=np.zeros((4, 2)), labels=[0, 1, 0, 1]), tmp_path / "shards")
    with pytest.raises(ValueError, match="that has vocabulary"):
        encode_texts(["a cup"], index)
    for length, error in ((0, ValueError), (-1, ValueError), (2.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="`text_length` must be an integer of at least 1"):
            encode_texts(["a cup"], ["", "[UNK]"], length)
    with pytest.raises(TypeError, match="must be a column of a table"):
        encode_texts(pd.DataFrame({"text": ["a cup"]}), ["", "[UNK]"], 3)
    assert encode_texts(["a cup"], ["", "[UNK]"], np.int64(3)).shape == (1, 3)


@pytest.mark.parametrize(
    "text", ["love \u2764\ufe0f", "love\u2764\ufe0f\u200d\U0001f525", "\ufe0f love"]
)
def test_a_variation_selector_behind_an_emoji_is_not_a_word(text):
    assert split_words(text) == ["love"]
    table = {"t": [text, "ok"], "y": [1, 0]}
    assert TextTable(table, text="t", label="y").vocabulary == ["", "[UNK]", "love", "ok"]


def test_texts_without_a_word_are_reported(tmp_path, capsys):
    table = {"t": ["a b", "", None, "\u2764\ufe0f"], "l": ["x", "y", "x", "y"]}
    pack(TextTable(table, text="t", label="l"), tmp_path / "texts")
    note = "3 of 4 texts have no word: their rows hold padding (0) only"
    assert note in capsys.readouterr().err
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["t"], file["y"] = ["a b", "", "-", "?"], [0, 1, 0, 1]
    pack(HDF5Table(tmp_path / "t.h5", image="y", label="y", text="t"), tmp_path / "hdf5")
    assert note in capsys.readouterr().err
    pack(TextTable({"t": ["a", "b"]}, text="t"), tmp_path / "all")
    assert "no word" not in capsys.readouterr().err


def test_arguments_about_texts_that_would_be_ignored_are_refused(tmp_path):
    texts = {"t": ["a b", "c"], "f": ["1.png", "2.png"]}
    train = TextTable(texts, text="t")
    with pytest.raises(ValueError, match="`max_tokens` limits a vocabulary that is built from"):
        TextTable(texts, text="t", vocabulary=train, max_tokens=3)
    for options in ({"vocabulary": train}, {"text_length": 3}, {"max_tokens": 5}):
        with pytest.raises(ValueError, match=f"`{next(iter(options))}` needs `text`"):
            ImageTable(texts, image="f", size=(4, 4), **options)
    for value in (texts, {"a", "b"}):
        with pytest.raises(TypeError, match="`texts` must be a list of texts: of a dict"):
            encode_texts(value, train)


def test_texts_that_the_default_length_cuts_are_reported(tmp_path, capsys):
    texts = ["a " * 64, "b " * 65, "c"]
    note = "2 of 3 texts have 64 words or more, of which the first 64, the default text length, are"
    source = TextTable({"t": texts}, text="t")
    pack(source, tmp_path / "texts")
    assert note in capsys.readouterr().err
    images = ImageTable({"t": texts, "f": list("abc")}, image="f", text="t", size=(4, 4))
    assert any(note in text for text in images.packing_notes())
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["t"], file["x"] = texts, np.zeros(3)
    assert any(
        note in text for text in HDF5Table(tmp_path / "t.h5", "x", None, "t").packing_notes()
    )
    for options in ({"text_length": 64}, {"text_length": 70}, {"vocabulary": source}):
        assert not TextTable({"t": texts}, text="t", **options).packing_notes()
    assert not TextTable({"t": ["a " * 63]}, text="t").packing_notes()


def test_the_recipe_without_this_package_gives_the_same_ids():
    recipe: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", textwrap.dedent(encode_texts.__doc__), re.DOTALL)
    exec(textwrap.dedent(blocks[1]), recipe)
    texts = [
        *("", "  ", "A dog-like cup", "don't", "don\u2019t 'quoted'", "snake_case 3.5 e-mail"),
        *("caf\u00e9", "cafe\u0301", "\u0130stanbul", "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2"),
        *("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22"),
        *(
            "love \u2764\ufe0f",
            "\ufe0f a",
            "\u65e5\u672c\u8a9e",
            "a\u0301'b",
            "STRASSE stra\u00dfe",
        ),
    ]
    rng = np.random.default_rng(0)
    codes = [*range(32, 127), *range(0x300, 0x370), *range(0x900, 0x980), 0x2019, 0x27, 0xFE0F]
    texts += ["".join(map(chr, rng.choice(codes, 30))) for _ in range(200)]
    source = TextTable({"t": texts}, text="t", max_tokens=1_000)
    expected = encode_texts(texts, source)
    vocabulary, length = source.vocabulary, source.text_length
    assert [recipe["encode"](text, vocabulary, length) for text in texts] == expected.tolist()
    assert (expected > 1).any(axis=1).sum() > 150
