"""A table of texts without images as a source for `pack`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_bigdata.packing.sources.table_rows import TableRows
from keras_bigdata.packing.sources.tables.class_filter import filter_table
from keras_bigdata.packing.sources.tables.input_fields import (
    InputColumns,
    check_distinct,
    input_fields,
    input_roles,
)
from keras_bigdata.packing.sources.tables.kept_columns import checked_keep, read_kept
from keras_bigdata.packing.sources.tables.numbers import number_columns, read_inputs
from keras_bigdata.packing.sources.tables.problems import merge_problems
from keras_bigdata.packing.sources.tables.row_weights import (
    read_weights,
    weigh_targets,
    weight_columns,
)
from keras_bigdata.packing.sources.tables.table import read_columns
from keras_bigdata.packing.sources.tables.targets import (
    LabelColumns,
    Missing,
    TargetColumns,
    label_fields,
    read_targets,
    target_fields,
    used_columns,
)
from keras_bigdata.packing.sources.texts.text_columns import read_texts
from keras_bigdata.packing.sources.texts.text_length import TextLength
from keras_bigdata.shards.fields.standard_fields import NUMBERS, TEXTS


class TextTable(TableRows):
    """A table with a column of texts, and columns of labels or measured values.

    The fields are

    - `texts` (int32 token ids, `(rows, text_length)`, or rows of any length, 0 is padding, 1 an
      unknown word), the input; with a dict one field each, named by its keys,
    - `numbers` (float32, `(rows, columns)`), an input, as in `ImageTable`,
    - `labels` or `targets`, the targets, as in `ImageTable`,
    - `sample_weight`, the sample weights, as in `ImageTable`.

    The texts are tokenized once, by the constructor. The vocabulary is stored in the index, so
    that `encode_texts(texts, index)` converts new texts to the same ids.

    Args:
        table: Path of a CSV file (UTF-8, first line the column names), a pandas DataFrame, a
            Hugging Face `Dataset`, a table of pyarrow, or a dict of lists.
        text: The column of texts. Several are a dict of field -> column, such as
            `{"title": "t", "body": "b"}`: they have one vocabulary, and the inputs are a dict.
        numbers: The column of numbers that are an input, or several, as in `ImageTable`. Defaults
            to `None`.
        label: The column of labels, or several, as in `ImageTable`. Defaults to `None`.
        target: The column of numbers to predict, or several. Defaults to `None`.
        missing, sample_weight: As in `ImageTable`. Default to `"error"` and `None`.
        separator: The separator of several labels in one row. Defaults to `None`: one label per
            row.
        text_length: Tokens per row. Longer texts are truncated, shorter ones padded at the end.
            `"variable"`: rows of any length, neither truncated nor padded, of which a batch is
            padded with 0 to its longest row. With several columns, one value for all or a dict such
            as `{"title": 20, "body": "variable"}`. Defaults to `None`: that of `vocabulary`, or
            the length of the longest text of the column, but at most 64.
        max_tokens: Maximum number of entries of the vocabulary, padding and unknown included; not
            with `vocabulary`. Defaults to `None`: 20,000.
        classes, vocabulary: As in `ImageTable`. Default to `None`.
        keep: As in `ImageTable`. Defaults to `()`.
        delimiter: The separator of values in a CSV file. Defaults to `","`.

    Raises:
        PackError: If the table cannot be read, lacks a column or has no rows, or if the labels
            are numbers with fractions.
        ValueError: If an argument has a value that is not allowed, or if arguments do not go
            together.
        TypeError: If `text`, `label` or `target` is not the name of a column, or if an argument
            has another type that is not allowed.

    Example:

    ```python
    from keras_bigdata import TextTable, encode_texts

    reviews = TextTable("reviews.csv", text="review", label="stars", text_length=100)
    index = pack(reviews, "shards/reviews")
    new = encode_texts(["Not worth the money"], index)  # int32, (1, 100), for model.predict
    whole = TextTable("reviews.csv", text="review", label="stars", text_length="variable")
    whole[0]["texts"]  # int32 array with one entry per word, none of which is cut
    ```
    """

    def __init__(
        self,
        table: Any,
        *,
        text: InputColumns,
        numbers: str | Sequence[str] | None = None,
        label: LabelColumns | None = None,
        target: TargetColumns | None = None,
        missing: Missing = "error",
        sample_weight: str | None = None,
        separator: str | None = None,
        text_length: TextLength | None = None,
        max_tokens: int | None = None,
        classes: Any = None,
        vocabulary: Any = None,
        keep: str | Sequence[str] = (),
        delimiter: str = ",",
    ) -> None:
        fields = input_fields("text", text, TEXTS, required=True)
        check_distinct(
            text=fields,
            numbers=() if numbers is None else (NUMBERS,),
            label=label_fields(label),
            target=target_fields(target),
        )
        used = [
            *fields.values(),
            *number_columns(numbers),
            *used_columns(label, target),
            *weight_columns(sample_weight),
            *checked_keep(keep),
        ]
        columns = read_columns(table, list(dict.fromkeys(used)), delimiter)
        columns, left_out = filter_table(columns, label, separator, classes)
        texts = read_texts(
            columns,
            fields,
            vocabulary=vocabulary,
            text_length=text_length,
            max_tokens=max_tokens,
        )
        values, found = read_inputs(columns, number_columns(numbers))
        targets = read_targets(
            columns,
            label=label,
            target=target,
            separator=separator,
            classes=classes,
            missing=missing,
        )
        weights = read_weights(columns, sample_weight)
        inputs = {**texts.tokens, **values}
        super().__init__(
            {**inputs, **targets.columns},
            inputs=input_roles(inputs, as_dict=isinstance(text, Mapping)),
            targets=targets.roles,
            texts=fields,
            weights=weigh_targets(targets.roles, weights, targets.present),
            classes=targets.classes,
            vocabulary=texts.vocabulary,
            table=columns.name,
            lines=columns.lines,
            problems=merge_problems(targets.problems, weights.problems, found.problems),
            left_out=left_out.counts,
            notes=left_out.notes(columns.name)
            + targets.notes
            + weights.notes
            + found.notes
            + texts.notes,
            kept=read_kept(columns, checked_keep(keep)),
        )
