"""The argument `text_length`: tokens per row, or rows of any length."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from keras_bigdata.arguments import checked_int

# Rows of any length: texts are not truncated, and are padded in a batch only.
VARIABLE: Final = "variable"

# Without `text_length`, longer texts are truncated to this many tokens.
MAX_TEXT_LENGTH = 64

# Tokens per row of one field.
RowLength: TypeAlias = "int | Literal['variable']"
# Those of all fields of texts, or field -> those of this one.
TextLength: TypeAlias = "RowLength | Mapping[str, RowLength]"


def checked_text_length(value: Any) -> RowLength | None:
    """Returns the argument `text_length` of one field.

    Raises:
        TypeError: If it is neither an integer nor a string nor `None`.
        ValueError: If it is less than 1, or another string than `"variable"`.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        return checked_int(value, "text_length", 1)
    if value != VARIABLE:
        raise ValueError(
            f"`text_length` must be an integer of at least 1, or {VARIABLE!r} for rows of any "
            f"length. Received: text_length={value!r}"
        )
    return VARIABLE


def lengths_by_field(
    text_length: TextLength | None, fields: Iterable[str]
) -> dict[str, RowLength | None]:
    """Returns the argument `text_length` for each field of texts.

    Raises:
        TypeError, ValueError: If one is not a length, or if a dict has other fields.
    """
    names = list(fields)
    if not isinstance(text_length, Mapping):
        return dict.fromkeys(names, checked_text_length(text_length))
    if text_length.keys() != set(names):
        raise ValueError(
            f"`text_length` must be an integer or {VARIABLE!r}, or a dict with one for "
            f"each field of texts ({', '.join(map(repr, names))}). "
            f"Received: text_length={dict(text_length)!r}"
        )
    return {name: checked_text_length(text_length[name]) for name in names}


def choose_length(
    texts: Collection[Sequence[str]], length: RowLength | None, vocabulary: Any, field: str
) -> RowLength:
    """Returns the length of the rows of a field: as passed, of the vocabulary, or of the texts.

    Args:
        texts: The words of each text.
        length: The argument `text_length` of this field, or `None`.
        vocabulary: The argument of that name, or `None`.
        field: The name of the field.

    Raises:
        ValueError: If it is not passed, and `vocabulary` does not have one.
    """
    if length is not None:
        return length
    if vocabulary is None:
        return min(longest_of(texts), MAX_TEXT_LENGTH)
    return length_of(vocabulary, field)


def choose_fixed_length(
    texts: Collection[Sequence[str]], length: int | None, vocabulary: Any, field: str
) -> int:
    """Does the same as `choose_length` for a source whose texts have rows of one length.

    Raises:
        ValueError: Also if the texts of `vocabulary` have rows of any length.
    """
    chosen = choose_length(texts, length, vocabulary, field)
    if isinstance(chosen, str):
        raise ValueError(
            "`text_length` must be passed as an integer: the texts of `vocabulary` have rows of "
            "any length, and those of this source have one. Received: text_length=None"
        )
    return chosen


def longest_of(texts: Iterable[Sequence[str]]) -> int:
    """Returns the number of words of the longest text, at least 1: layers refuse empty rows."""
    return max(1, max(map(len, texts), default=1))


def length_of(vocabulary: Any, field: str) -> RowLength:
    """Returns the length of the texts of a source or an index.

    Raises:
        ValueError: If it does not have one, such as a list of words.
    """
    length: Any = getattr(vocabulary, "text_length", None)
    if isinstance(length, Mapping):
        length = length.get(field)
    packed = getattr(vocabulary, "fields", {}).get(field)
    if length is None and packed is not None and len(packed.shape) == 1:
        length = VARIABLE if packed.shape[0] is None else packed.shape[0]
    if length is None:
        raise ValueError(
            "`text_length` must be passed with a `vocabulary` that does not have one, such as a "
            f"list, or that has no texts in a field {field!r}. Received: text_length=None"
        )
    chosen: RowLength = length
    return chosen
