"""Short texts -> padded token ids, with a vocabulary."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

# Ids 0 and 1, as in `keras.layers.TextVectorization`.
PADDING = ""
UNKNOWN = "[UNK]"

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


def encode(texts: Sequence[Sequence[str]], vocabulary: Sequence[str], length: int) -> Tokens:
    """Token ids, int32 of shape `(texts, length)`: cut at the end, padded with 0 at the end."""
    ids = {word: number for number, word in enumerate(vocabulary)}
    tokens = np.zeros((len(texts), length), np.int32)
    for row, text in enumerate(texts):
        known = [ids.get(word, 1) for word in text[:length]]
        tokens[row, : len(known)] = known
    return tokens
