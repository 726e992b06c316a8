"""Converts texts to token ids, padded or of any length, with a vocabulary."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_int
from keras_bigdata.packing.sources.tables.labels import resolve_names
from keras_bigdata.packing.sources.tables.missing_values import is_missing
from keras_bigdata.packing.sources.texts.text_length import (
    MAX_TEXT_LENGTH,
    RowLength,
    checked_text_length,
    choose_fixed_length,
    length_of,
    longest_of,
)
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.fields.standard_fields import TEXTS

# Ids 0 and 1, as in `keras.layers.TextVectorization`.
PADDING = ""
UNKNOWN = "[UNK]"

# Maximum size of a vocabulary without `max_tokens`.
MAX_TOKENS = 20_000

_WORD = re.compile(r"\w+(?:'\w+)*")

Tokens = npt.NDArray[np.int32]


def split_words(text: str) -> list[str]:
    """Splits a text into words, in lower case.

    A word is a run of letters, digits and underscores of any script, with their combining marks;
    apostrophes inside it belong to it. All other characters only separate words, also a mark after
    one of them, such as the variation selector of an emoji. A letter with a mark is the same
    whether it is written as one character or as two.
    """
    text = unicodedata.normalize("NFC", text).lower().replace("\u2019", "'")
    return (_WORD if text.isascii() else _word_with_marks()).findall(text)


@cache
def _word_with_marks() -> re.Pattern[str]:
    """Returns a pattern for words of scripts such as Hindi and Thai, whose vowels may be marks."""
    # Python's `\w` does not match marks.
    marks = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character).startswith("M")
    ]
    word = rf"\w[\w{''.join(marks)}]*"
    return re.compile(rf"{word}(?:'{word})*")


def build_vocabulary(texts: Iterable[Sequence[str]], max_tokens: int) -> list[str]:
    """Returns the word of each token id: the most frequent first, equal ones alphabetically.

    Args:
        texts: The words of each text.
        max_tokens: Maximum number of entries, padding and unknown included.
    """
    counts = Counter(word for text in texts for word in text)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return [PADDING, UNKNOWN, *ranked[: max_tokens - 2]]


def encode(texts: Collection[Sequence[str]], vocabulary: Sequence[str], length: int) -> Tokens:
    """Converts words to token ids, truncated at the end or padded there with 0.

    Args:
        texts: The words of each text.
        vocabulary: The word of each token id.
        length: Tokens per text.

    Returns:
        int32 array of shape `(texts, length)`.
    """
    id_of_word = {word: number for number, word in enumerate(vocabulary)}
    tokens = np.zeros((len(texts), length), np.int32)
    for row, text in enumerate(texts):
        ids = [id_of_word.get(word, 1) for word in text[:length]]
        tokens[row, : len(ids)] = ids
    return tokens


def encode_ragged(texts: Collection[Sequence[str]], vocabulary: Sequence[str]) -> Ragged:
    """Converts words to token ids, neither truncated nor padded.

    Args:
        texts: The words of each text.
        vocabulary: The word of each token id.

    Returns:
        The int32 token ids of each text.
    """
    id_of_word = {word: number for number, word in enumerate(vocabulary)}
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=offsets[1:])
    ids = (id_of_word.get(word, 1) for text in texts for word in text)
    return Ragged(np.fromiter(ids, np.int32, int(offsets[-1])), offsets)


def check_without_texts(**arguments: Any) -> None:
    """Refuses arguments about texts where there are none, naming the first one that was given."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"`{name}` needs `text`, where the texts are.")


def describe_empty_texts(tokens: Tokens | Ragged) -> list[str]:
    """Returns a note of the texts without a word, if there are any."""
    if isinstance(tokens, Ragged):
        empty = int((tokens.lengths == 0).sum())
        rows = "their rows have length 0, and in a batch hold padding (0) only"
    else:
        empty = int((~tokens.any(axis=1)).sum())
        rows = "their rows hold padding (0) only"
    if not empty:
        return []
    return [
        f"{empty:,} of {len(tokens):,} texts have no word: {rows}. After an Embedding with "
        "`mask_zero=True`, the average over the words of such a row is NaN."
    ]


def describe_long_texts(
    tokens: Tokens, text_length: RowLength | None, vocabulary: Any
) -> list[str]:
    """Returns a note of the texts that the default length may have cut, if there are any.

    Args:
        tokens: The token ids of all texts.
        text_length, vocabulary: The arguments of these names; with one of them, the length was
            chosen by the caller.
    """
    length = tokens.shape[1]
    full = int((tokens[:, -1] != 0).sum())
    if text_length is not None or vocabulary is not None or length < MAX_TEXT_LENGTH or not full:
        return []
    return [
        f"{full:,} of {len(tokens):,} texts have {length} words or more, of which the first "
        f"{length}, the default text length, are kept."
    ]


def encode_texts(
    texts: Iterable[str],
    vocabulary: Any,
    text_length: RowLength | None = None,
    *,
    field: str = TEXTS,
) -> Tokens:
    r"""Converts new texts to the token ids that `pack` would write for them.

    Args:
        texts: The texts. A missing one (None, NaN) counts as an empty one.
        vocabulary: An object that has the vocabulary: a `ShardIndex`, a `ShardSequence`, a source;
            or a list of words.
        text_length: Tokens per row: longer texts are truncated. `"variable"` truncates none: the
            rows are padded to the longest of these texts, as in a batch. Defaults to `None`: that
            of the packed texts, also where it is `"variable"`.
        field: The field of the packed texts that the length is taken from, if there are several
            columns of texts. Defaults to `"texts"`.

    Returns:
        int32 array of shape `(texts, text_length)`, or `(texts, longest)` (at least one column) for
        texts of any length: 0 is padding, 1 an unknown word.

    Raises:
        ValueError: If there is no vocabulary, or if `text_length` is less than 1 or another string,
            or is `None` and cannot be taken from `vocabulary`.
        TypeError: If `texts` is one text, a dict, a set or a table, or if `text_length` has another
            type.

    Example:

    ```python
    from keras_bigdata import encode_texts

    photos = ImageTable("photos/labels.csv", image="file", text="caption", size=(64, 64))
    index = pack(photos, "shards/captions")  # or later: ShardIndex.load("shards/captions")
    tokens = encode_texts(["a red cup"], index)
    ```

    A server that does not have this package computes the same ids with the standard library. The
    vocabulary is the entry `"vocabulary"` of `index.json`, and the length is `tokens.shape[1]`; for
    texts of any length, it is that of the longest row, such as `max(len(row) for row in rows)`.
    `keras.layers.TextVectorization` does not: it removes punctuation instead of splitting words at
    it, so that `"dog-like"` is one word, and does not unify letters with combining marks.

    ```python
    import re, sys, unicodedata

    characters = map(chr, range(sys.maxunicode + 1))
    marks = "".join(char for char in characters if unicodedata.category(char).startswith("M"))
    word = rf"\w[\w{marks}]*"

    def encode(text, vocabulary, length):
        text = unicodedata.normalize("NFC", text).lower().replace("\u2019", "'")
        ids = {entry: number for number, entry in enumerate(vocabulary)}
        row = [ids.get(found, 1) for found in re.findall(rf"{word}(?:'{word})*", text)[:length]]
        return row + [0] * (length - len(row))
    ```
    """
    if isinstance(texts, str | bytes):
        raise TypeError(f"`texts` must be a list of texts, not one. Received: texts={texts!r}")
    if isinstance(texts, Mapping | Set) and not hasattr(texts, "columns"):
        raise TypeError(
            "`texts` must be a list of texts: of a dict, pass a column (texts['text']) or its "
            f"values (list(texts.values())); a set has no order. Received: texts={texts!r:.200}"
        )
    if hasattr(texts, "columns"):
        raise TypeError(
            "`texts` must be a column of a table, such as table['text'], not the whole table. "
            f"Received: texts of type {type(texts).__name__}"
        )
    text_length = checked_text_length(text_length)
    rows = [words_of_value(text) for text in texts]
    # A `ShardSequence` has its `ShardIndex` there; a list has a method of the same name.
    index = getattr(vocabulary, "index", vocabulary)
    index = vocabulary if callable(index) else index
    entries = _existing_vocabulary(index)
    length = length_of(index, field) if text_length is None else text_length
    return encode(rows, entries, longest_of(rows) if isinstance(length, str) else length)


def choose_vocabulary(
    texts: Iterable[Sequence[str]], vocabulary: Any, max_tokens: int | None
) -> list[str]:
    """Returns the vocabulary: the one that was passed, or one that is built from the texts.

    Args:
        texts: The words of each text.
        vocabulary, max_tokens: The arguments of these names, or `None`.

    Raises:
        ValueError: If both `vocabulary` and `max_tokens` are given, or if one is out of range.
    """
    if max_tokens is not None:
        max_tokens = checked_int(max_tokens, "max_tokens", 3)
    if vocabulary is None:
        return build_vocabulary(texts, max_tokens or MAX_TOKENS)
    if max_tokens is not None:
        raise ValueError(
            "`max_tokens` limits a vocabulary that is built from the texts. `vocabulary` is one "
            "that exists, and would lose words that a model was trained with. "
            f"Pass one of them. Received: max_tokens={max_tokens} and a vocabulary"
        )
    return _existing_vocabulary(vocabulary)


def choose_vocabulary_and_length(
    texts: Collection[Sequence[str]],
    vocabulary: Any,
    length: int | None,
    max_tokens: int | None,
    field: str = TEXTS,
) -> tuple[list[str], int]:
    """Returns the vocabulary and the text length of a source whose texts have rows of one length.

    Args:
        texts: The words of each text.
        vocabulary: The argument of that name, or `None`.
        length: The argument `text_length`, or `None`.
        max_tokens: The argument of that name, or `None`.
        field: The name of the field of the texts. Defaults to `"texts"`.

    Raises:
        ValueError: If both `vocabulary` and `max_tokens` are given, if one is out of range, or if
            the texts of `vocabulary` have rows of any length and `length` is `None`.
    """
    if length is not None:
        length = checked_int(length, "text_length", 1)
    words = choose_vocabulary(texts, vocabulary, max_tokens)
    return words, choose_fixed_length(texts, length, vocabulary, field)


def words_of_value(value: Any) -> list[str]:
    """Returns the words of a value of a column of texts; none of a missing one."""
    return [] if is_missing(value) else split_words(str(value))


def _existing_vocabulary(vocabulary: Any) -> list[str]:
    """Returns the words of an object that has a vocabulary."""
    entries: list[str] = resolve_names(vocabulary, "vocabulary", "vocabulary")
    if entries[:2] != [PADDING, UNKNOWN]:
        raise ValueError(
            f"`vocabulary` must begin with {PADDING!r} (padding) and {UNKNOWN!r} (unknown words), "
            "as that of keras.layers.TextVectorization does. "
            f"Received: vocabulary={entries[:3]}..."
        )
    return entries
