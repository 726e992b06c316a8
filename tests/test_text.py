from __future__ import annotations

import unicodedata

import pytest

from keras_bigdata.packing.text import words


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
    assert words(text) == [unicodedata.normalize("NFC", word) for word in expected]


def test_a_letter_is_the_same_however_it_is_written():
    assert words(unicodedata.normalize("NFD", "café")) == words("café")
