"""Short texts -> padded token ids, with a vocabulary."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_int
from keras_bigdata.packing.sources.base import known
from keras_bigdata.packing.sources.labels import is_missing

# Ids 0 and 1, as in `keras.layers.TextVectorization`.
PADDING = ""
UNKNOWN = "[UNK]"

# Without `text_length`, texts are cut at the longest one's length or here.
MAX_TEXT_LENGTH = 64

_WORD = re.compile(r"\w+(?:'\w+)*")

Tokens = npt.NDArray[np.int32]


def words(text: str) -> list[str]:
    """The words of a text, in lower case.

    A word is a run of letters, digits and underscores of any script, with their marks; an
    apostrophe inside it belongs to it. Everything else only separates. However a letter with a
    mark is written, as one character or two, it is the same.
    """
    text = unicodedata.normalize("NFC", text).lower().replace("\u2019", "'")
    return (_WORD if text.isascii() else _any_script()).findall(text)


@cache
def _any_script() -> re.Pattern[str]:
    """Words where vowels may be marks, which the `\\w` of Python leaves out: Hindi, Thai, ..."""
    marks = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character).startswith("M")
    ]
    letter = f"[\\w{''.join(marks)}]"
    return re.compile(rf"{letter}+(?:'{letter}+)*")


def build_vocabulary(texts: Iterable[Sequence[str]], max_tokens: int) -> list[str]:
    """The word that each token id stands for: the most frequent first, equals by alphabet.

    Args:
        texts: the words of each text.
        max_tokens: the most entries, padding and unknown included.
    """
    counts = Counter(word for text in texts for word in text)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return [PADDING, UNKNOWN, *ranked[: max_tokens - 2]]


def encode(texts: Collection[Sequence[str]], vocabulary: Sequence[str], length: int) -> Tokens:
    """Token ids, int32 of shape `(texts, length)`: cut at the end, padded with 0 at the end."""
    ids = {word: number for number, word in enumerate(vocabulary)}
    tokens = np.zeros((len(texts), length), np.int32)
    for row, text in enumerate(texts):
        known = [ids.get(word, 1) for word in text[:length]]
        tokens[row, : len(known)] = known
    return tokens


def read_texts(
    values: Sequence[Any], vocabulary: Any, length: int | None, max_tokens: int
) -> tuple[Tokens, list[str]]:
    """The token ids of a column of texts, and the vocabulary: the one given or a new one."""
    texts = [_words_of(value) for value in values]
    entries, length = choose_vocabulary(texts, vocabulary, length, max_tokens)
    return encode(texts, entries, length), entries


def encode_texts(texts: Iterable[str], vocabulary: Any, text_length: int | None = None) -> Tokens:
    """Makes of new texts the token ids that `pack` would have made of them.

    Args:
        texts: the texts; a missing one (None, NaN) is an empty one.
        vocabulary: what has the vocabulary: a `ShardIndex`, a `ShardSequence`, a source, or a list
            of words.
        text_length: tokens a row. Defaults to `None`: that of the packed texts.

    Returns:
        int32 array of shape `(texts, text_length)`: 0 is padding, 1 an unknown word.

    Raises:
        ValueError: if there is no vocabulary, or if no text length is known.
        TypeError: if `texts` is one text or a table.

    Example:

    ```python
    from keras_bigdata import encode_texts

    photos = ImageTable("photos/labels.csv", image="file", text="caption", size=(64, 64))
    index = pack(photos, "shards/captions")  # or later: ShardIndex.load("shards/captions")
    tokens = encode_texts(["a red cup"], index)
    ```
    """
    if isinstance(texts, str | bytes):
        raise TypeError(f"`texts` must be a list of texts, not one. Received: texts={texts!r}")
    if hasattr(texts, "columns"):
        raise TypeError("`texts` must be a column of a table, such as table['text'], not all of it")
    _check_length("text_length", text_length, 1)
    rows = [_words_of(text) for text in texts]
    holder = getattr(vocabulary, "index", vocabulary)
    # A list has a method of that name.
    holder = vocabulary if callable(holder) else holder
    entries, length = _known_vocabulary(holder, text_length)
    return encode(rows, entries, length)


def _words_of(value: Any) -> list[str]:
    return [] if is_missing(value) else words(str(value))


def choose_vocabulary(
    texts: Collection[Sequence[str]], vocabulary: Any, length: int | None, max_tokens: int
) -> tuple[list[str], int]:
    """The vocabulary and the text length to use, from the arguments or the texts."""
    _check_length("text_length", length, 1)
    _check_length("max_tokens", max_tokens, 3)
    if vocabulary is None:
        longest = max(map(len, texts))
        return build_vocabulary(texts, max_tokens), length or min(max(longest, 1), MAX_TEXT_LENGTH)
    return _known_vocabulary(vocabulary, length)


def _check_length(argument: str, value: Any, least: int) -> None:
    if value is not None:
        checked_int(value, argument, least)


def _known_vocabulary(vocabulary: Any, length: int | None) -> tuple[list[str], int]:
    """A vocabulary that exists, with the text length given or the one it was used with."""
    entries = known(vocabulary, "vocabulary", "vocabulary")
    if entries[:2] != [PADDING, UNKNOWN]:
        raise ValueError(
            f"`vocabulary` must begin with {PADDING!r} (padding) and {UNKNOWN!r} (unknown words), "
            f"as that of keras.layers.TextVectorization does. Received: {entries[:3]}..."
        )
    length = length or getattr(vocabulary, "text_length", None)
    if length is None and "texts" in getattr(vocabulary, "fields", {}):
        length = vocabulary.fields["texts"].shape[0]
    if length is None:
        raise ValueError("With a list as `vocabulary`, `text_length` has to be given too.")
    return entries, length
