"""A table of texts without pictures as a source for `pack`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_bigdata.packing.sources.base import TableRows
from keras_bigdata.packing.sources.table import read_columns
from keras_bigdata.packing.sources.targets import Label, label_fields, read_targets, target_columns
from keras_bigdata.packing.sources.tokens import read_texts


class TextTable(TableRows):
    """A table with a column of texts, and columns of labels or measured values.

    Makes the fields `texts` (int32 token ids, `(rows, text_length)`, 0 is padding, 1 an unknown
    word), the input, and `labels` or `targets` as `ImageTable` does. The texts are tokenised once,
    here; the vocabulary is kept in the index, and `encode_texts(texts, index)` makes the same ids
    of a new text.

    Args:
        table: path of a CSV file (UTF-8, first line the column names), a pandas DataFrame, or a
            dict of lists.
        text: the column of texts.
        label: the column of labels, or several, as in `ImageTable`. Defaults to `None`.
        target: the column of numbers to predict, or several. Defaults to `None`.
        separator: what stands between several labels of one row. Defaults to `None`.
        text_length: tokens a row; longer texts are cut, shorter ones padded at the end. Defaults
            to `None`: the length of the longest one, at most 64.
        max_tokens: the most entries of the vocabulary, padding and unknown included. Defaults to
            `20000`.
        classes, vocabulary: as in `ImageTable`. Default to `None`.
        delimiter: between the values of a CSV file. Defaults to `","`.

    Raises:
        PackError: if the table cannot be read, lacks a column or has no rows.
        ValueError, TypeError: if an argument makes no sense.

    Example:

    ```python
    from keras_bigdata import TextTable, encode_texts

    reviews = TextTable("reviews.csv", text="review", label="stars", text_length=100)
    index = pack(reviews, "shards/reviews")
    new = encode_texts(["Not worth the money"], index)  # int32, (1, 100), for model.predict
    ```
    """

    def __init__(
        self,
        table: Any,
        *,
        text: str,
        label: Label | None = None,
        target: str | Sequence[str] | None = None,
        separator: str | None = None,
        text_length: int | None = None,
        max_tokens: int = 20_000,
        classes: Any = None,
        vocabulary: Any = None,
        delimiter: str = ",",
    ) -> None:
        if not isinstance(text, str):
            raise TypeError(f"`text` must be the name of a column. Received: text={text!r}")
        wanted = [text, *label_fields(label).values(), *target_columns(target)]
        columns = read_columns(table, list(dict.fromkeys(wanted)), delimiter)
        tokens, words = read_texts(columns.values[text], vocabulary, text_length, max_tokens)
        made = read_targets(
            columns, label=label, target=target, separator=separator, classes=classes
        )
        super().__init__(
            {"texts": tokens, **made.columns},
            inputs="texts",
            targets=made.roles,
            classes=made.classes,
            vocabulary=words,
            table=columns.name,
            lines=columns.lines,
            problems=made.problems,
        )
