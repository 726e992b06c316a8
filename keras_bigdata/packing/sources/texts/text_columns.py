"""Converts one or several columns of texts to fields of token ids, with one vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_bigdata.packing.sources.tables.table import Columns
from keras_bigdata.packing.sources.texts.text_length import (
    TextLength,
    choose_length,
    lengths_by_field,
)
from keras_bigdata.packing.sources.texts.tokens import (
    Tokens,
    choose_vocabulary,
    describe_long_texts,
    encode,
    encode_ragged,
    words_of_value,
)
from keras_bigdata.shards.fields.ragged import Ragged


@dataclass(slots=True)
class Texts:
    """Columns of texts as token ids.

    Args:
        tokens: Field name -> int32 token ids of shape `(rows, text_length)`, or `Ragged` with
            `text_length="variable"`.
        vocabulary: The word that token i stands for, in all fields; `None` without texts.
        notes: The notes that `pack` prints about them.
    """

    tokens: dict[str, Tokens | Ragged] = field(default_factory=dict)
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
    lengths = lengths_by_field(text_length, fields)
    texts = Texts()
    if not fields:
        return texts
    words = {
        name: [words_of_value(value) for value in table.values[column]]
        for name, column in fields.items()
    }
    together = (text for column in words.values() for text in column)
    texts.vocabulary = choose_vocabulary(together, vocabulary, max_tokens)
    for name in fields:
        length = choose_length(words[name], lengths[name], vocabulary, name)
        if isinstance(length, str):
            texts.tokens[name] = encode_ragged(words[name], texts.vocabulary)
            continue
        tokens = texts.tokens[name] = encode(words[name], texts.vocabulary, length)
        notes = describe_long_texts(tokens, lengths[name], vocabulary)
        texts.notes += [note if len(fields) == 1 else f"{name}: {note}" for note in notes]
    return texts
