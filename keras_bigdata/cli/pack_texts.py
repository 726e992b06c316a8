"""`pack texts`: a table of texts to shards of token ids."""

from __future__ import annotations

import argparse
from typing import Any

from keras_bigdata.cli.pack_options import (
    add_columns,
    add_options,
    from_like,
    one_or_several,
    pack_source,
)


def add(commands: Any) -> None:
    texts = commands.add_parser(
        "texts",
        help="pack texts of a CSV as token ids",
        description="Packs a column of texts, tokenised once, with their labels. The vocabulary is "
        "kept with the shards.",
    )
    texts.add_argument("source", metavar="CSV")
    texts.add_argument("--text", required=True, metavar="COLUMN", help="column of the texts")
    texts.add_argument(
        "--text-length",
        type=int,
        metavar="TOKENS",
        help="of a row (default: those of the longest text, at most 64)",
    )
    texts.add_argument(
        "--max-tokens", type=int, default=20_000, help="entries of the vocabulary (default: 20000)"
    )
    add_columns(texts)
    add_options(texts)
    texts.set_defaults(run=_pack_texts, again="goes on from here")


def _pack_texts(arguments: argparse.Namespace) -> None:
    from keras_bigdata.packing.sources.text_table import TextTable

    source = TextTable(
        arguments.source,
        text=arguments.text,
        label=one_or_several(arguments.label),
        target=one_or_several(arguments.target),
        separator=arguments.separator,
        text_length=arguments.text_length,
        max_tokens=arguments.max_tokens,
        delimiter=arguments.delimiter,
        **from_like(arguments, text=True, label=arguments.label is not None),
    )
    pack_source(arguments, source)
