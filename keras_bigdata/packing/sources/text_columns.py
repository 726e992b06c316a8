"""One or several columns of texts -> fields of token ids, with one vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from keras_bigdata.packing.sources.table import Columns
from keras_bigdata.packing.sources.tokens import (
    MAX_TOKENS,
    Tokens,
    build_vocabulary,
    choose_vocabulary,
    describe_long_texts,
    encode,
    words_of_value,
)

# Tokens per row, or field -> such a number.
TextLength: TypeAlias = "int | Mapping[str, int]"


@dataclass(slots=True)
class Texts:
    """Columns of texts as token ids.

    Args:
        tokens: Field name -> int32 token ids of shape `(rows, text_length)`.
        vocabulary: The word that token i stands for, in all fields; `None` without texts.
        notes: What `pack` reports of them.
    """

    tokens: dict[str, Tokens] = field(default_factory=dict)
    vocabulary: list[str] | None = None
    notes: list[str] = field(default_factory=list)


def read_texts(
    table: Columns,
    fields: Mapping[str, str],
    *,
    vocabulary: Any,
    text_length: TextLength | None,
    max_tokens: int | None,
) -> Texts:
    """Converts columns of texts to token ids.

    Args:
        table: A table that has these columns.
        fields: Field name -> column.
        vocabulary, text_length, max_tokens: The arguments of these names, or `None`.

    Raises:
        ValueError: If the arguments do not go together.
    """
    lengths = _lengths_by_field(text_length, fields)
    words = {
        name: [words_of_value(value) for value in table.values[column]]
        for name, column in fields.items()
    }
    texts = Texts()
    chosen = {}
    for name in fields:
        texts.vocabulary, chosen[name] = choose_vocabulary(
            words[name], vocabulary, lengths[name], max_tokens, name
        )
    if vocabulary is None and len(fields) > 1:
        together = (text for column in words.values() for text in column)
        texts.vocabulary = build_vocabulary(together, max_tokens or MAX_TOKENS)
    for name in fields:
        tokens = encode(words[name], texts.vocabulary or [], chosen[name])
        texts.tokens[name] = tokens
        notes = describe_long_texts(tokens, lengths[name], vocabulary)
        texts.notes += [note if len(fields) == 1 else f"{name}: {note}" for note in notes]
    return texts


def _lengths_by_field(
    text_length: TextLength | None, fields: Mapping[str, str]
) -> dict[str, int | None]:
    """Returns the argument `text_length` for each field."""
    if not isinstance(text_length, Mapping):
        return dict.fromkeys(fields, text_length)
    if text_length.keys() != fields.keys():
        raise ValueError(
            "`text_length` must be an integer, or a dict with one for each field of texts "
            f"({', '.join(map(repr, fields))}). Received: text_length={dict(text_length)!r}"
        )
    return dict(text_length)
