"""Options and steps that are shared by the kinds of `pack` that read a source."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_bigdata.cli.argument_types import parse_delimiter, parse_text_length
from keras_bigdata.cli.formatting import print_packed, print_repair
from keras_bigdata.cli.scheduler import add_scheduler, on_cluster
from keras_bigdata.cli.url_options import add_storage_option, checked_options, storage_options
from keras_bigdata.files import is_url
from keras_bigdata.representation import format_count
from keras_bigdata.storage.urls.url import is_remote


def add_pack_options(kind: Any) -> None:
    """Adds the options for writing shards."""
    add_output(kind)
    kind.add_argument(
        "--like",
        metavar="DIR",
        help="packed shards (a directory or URL) whose classes and vocabulary are used: pass those "
        "of the training set when packing a validation or test set",
    )
    kind.add_argument(
        "--split",
        type=float,
        metavar="FRACTION",
        help="pack this fraction of the rows into OUTPUT/val and the rest into OUTPUT/train, "
        "stratified by label",
    )
    kind.add_argument(
        "--group",
        metavar="COLUMN",
        help="with --split: rows with the same value in this column, such as the images of a "
        "patient, go to the same side; a column of a CSV file is kept, as by --keep",
    )
    kind.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the order of the rows and of the split (default: 0)",
    )
    kind.add_argument(
        "--no-shuffle",
        action="store_true",
        help="keep the rows in the order of the source; those that were skipped are listed in "
        "index.json",
    )
    kind.add_argument(
        "--workers", type=int, metavar="N", help="processes that pack (default: one per CPU)"
    )
    add_scheduler(kind)
    kind.add_argument(
        "--on-error",
        choices=("raise", "skip"),
        default="raise",
        help="whether a row that cannot be read ends the command or is skipped and listed "
        "(default: raise)",
    )
    kind.add_argument(
        "--append",
        action="store_true",
        help="add the rows to the shards that are in OUTPUT already; classes and words keep their "
        "numbers, new ones come after them",
    )
    kind.add_argument(
        "--repair",
        action="store_true",
        help="pack again only the shards in OUTPUT that are missing, damaged or in quarantine; "
        "all other options must be the same as in the first call",
    )
    kind.set_defaults(after_interrupt="Run the same command again to continue.")


def add_output(kind: Any) -> None:
    """Adds the directory to write to and the size of a shard."""
    kind.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUTPUT",
        help="directory for the shards, or its URL",
    )
    add_storage_option(kind)
    kind.add_argument(
        "--shard-samples", type=int, metavar="N", help="rows per shard (default: about 64 MiB)"
    )


def add_column_options(kind: Any) -> None:
    """Adds the options that name the targets in a CSV file, and those of its format."""
    kind.add_argument(
        "--label",
        action="append",
        metavar="COLUMN",
        help="column of the labels (CSV); may be repeated, each column is a target",
    )
    kind.add_argument(
        "--target",
        action="append",
        metavar="COLUMN",
        help="column of a number to predict (CSV); may be repeated",
    )
    kind.add_argument(
        "--keep",
        action="append",
        metavar="COLUMN",
        help="column that describes the rows, such as the patient: it is packed next to the fields "
        "and is not an input (CSV); may be repeated",
    )
    kind.add_argument(
        "--separator",
        metavar="TEXT",
        help="text between the labels of a row with several labels, such as '|' (CSV)",
    )
    kind.add_argument(
        "--delimiter",
        type=parse_delimiter,
        metavar="CHARACTER",
        help=r"character between the columns, such as ';' or '\t' (CSV; default: a comma)",
    )


def add_text_length(kind: Any) -> None:
    """Adds the option for the number of tokens per row."""
    kind.add_argument(
        "--text-length",
        type=parse_text_length,
        metavar="N",
        help="tokens per row, or 'variable' for rows of any length, which cuts no text (default: "
        "that of --like, or as many as the longest text has, at most 64)",
    )


def single_or_list(names: Sequence[str] | None, option: str) -> str | list[str] | None:
    """Returns the only name of a repeatable option, or a list of several names.

    Raises:
        ValueError: if a name is given twice.
    """
    if names is None:
        return None
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{option} names {name!r} twice. Name each column once.")
    return names[0] if len(names) == 1 else list(names)


def check_group(arguments: argparse.Namespace) -> None:
    """Checks that `--group` is used together with `--split`.

    Raises:
        ValueError: if it is used alone.
    """
    if arguments.group is not None and arguments.split is None:
        raise ValueError(
            f"--group {arguments.group}: divides the rows only together with --split FRACTION. Add "
            "it, or pass --keep to keep a column."
        )


def kept_columns(arguments: argparse.Namespace) -> list[str]:
    """Returns the columns of a CSV file to keep: those of `--keep`, and that of `--group`.

    Raises:
        ValueError: if a name is given twice.
    """
    single_or_list(arguments.keep, "--keep")
    group = [] if arguments.group is None else [arguments.group]
    return list(dict.fromkeys([*(arguments.keep or ()), *group]))


def classes_and_vocabulary(
    arguments: argparse.Namespace, *, text: bool, label: bool, require_classes: bool = True
) -> dict[str, Any]:
    """Returns the arguments of a source that take over the encoding of `--like`.

    Args:
        arguments: the parsed command line.
        text: whether the source has texts, so that `vocabulary` is returned.
        label: whether the source has labels, so that `classes` is returned.
        require_classes: whether shards without classes are an error. Defaults to `True`.

    Raises:
        ValueError: if the shards do not have the vocabulary or the classes.
    """
    from keras_bigdata.shards.index.shard_index import ShardIndex

    if arguments.like is None:
        return {}
    options = storage_options(arguments) if is_remote(arguments.like) else None
    like = ShardIndex.load(arguments.like, storage_options=options)
    found: dict[str, Any] = {}
    for name, needed, value, required in (
        ("classes", label, like.classes, require_classes),
        ("vocabulary", text, like.vocabulary, True),
    ):
        if needed and value is not None:
            found[name] = like
        elif needed and required:
            raise ValueError(
                f"--like {arguments.like}: these shards have no {name}. Pass shards that were "
                f"packed with {'labels' if name == 'classes' else 'texts'}."
            )
    return found


def pack_source(arguments: argparse.Namespace, source: Any) -> None:
    """Splits, packs or repairs a source as the options say, and prints a summary.

    Raises:
        ValueError: if a row has no value in the column of `--group`, or OUTPUT is a set itself and
            `--split` would write two sets into it.
    """
    if arguments.append and arguments.repair:
        raise ValueError(
            "--append adds rows to OUTPUT, and --repair writes shards again that it has already. "
            "Pass one of them: --repair with the options of the pack whose shards are damaged."
        )
    output = arguments.output
    sources = {output: source}
    if arguments.split is not None:
        if not arguments.repair:  # it writes only into sets that are there already
            _check_split_output(arguments)
        groups = _group_values(source, arguments.group)
        train, val = source.split(arguments.split, seed=arguments.seed, groups=groups)
        sources = {_below(output, "train"): train, _below(output, "val"): val}
    with on_cluster(arguments):
        for directory, part in sources.items():
            if arguments.repair:
                _repair(arguments, directory, part)
            else:
                _pack(arguments, directory, part)


def _check_split_output(arguments: argparse.Namespace) -> None:
    """Checks that OUTPUT of `--split` is not a set, whose rows would be those of OUTPUT/val too.

    Raises:
        ValueError: if it is one.
    """
    from keras_bigdata.packing.state.pack_state import has_state, pack_target
    from keras_bigdata.shards.index.shard_index import INDEX_NAME
    from keras_bigdata.shards.index.unfinished import UNFINISHED
    from keras_bigdata.storage.paths.place import as_place

    options = output_arguments(arguments).get("storage_options")
    place = as_place(arguments.output, "directory", options)
    if (place / INDEX_NAME).exists():
        found = f"a packed set ({INDEX_NAME})"
    elif has_state(pack_target(place)):
        found = f"an unfinished pack ({UNFINISHED})"
    else:
        return
    raise ValueError(
        f"{place}: holds {found}, and a split writes the sets train and val below it: a training "
        "on that set would contain rows of val. "
        f"Received: --split {arguments.split:g}. Choose another directory"
        f"{', or leave out --split to append to the set' if arguments.append else ''}."
    )


def _repair(arguments: argparse.Namespace, directory: str, source: Any) -> None:
    from keras_bigdata.integrity.repair import repair

    workers, options = arguments.workers, output_arguments(arguments)
    print_repair(repair(directory, source=source, workers=workers, dry_run=False, **options))


def _pack(arguments: argparse.Namespace, directory: str, source: Any) -> None:
    from keras_bigdata.packing.pack import pack

    start = time.perf_counter()
    index = pack(
        source,
        directory,
        shard_samples=arguments.shard_samples,
        shuffle=not arguments.no_shuffle,
        seed=arguments.seed,
        workers=arguments.workers,
        on_error=arguments.on_error,
        append=arguments.append,
        **output_arguments(arguments),
    )
    print_packed(directory, index, time.perf_counter() - start)


def output_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the options of the driver of OUTPUT, if it is a URL and there are any.

    Raises:
        ValueError: if there are options, and neither OUTPUT nor the shards of `--like` are a URL.
    """
    options = checked_options(arguments, arguments.output, getattr(arguments, "like", None))
    return (
        {} if options is None or not is_remote(arguments.output) else {"storage_options": options}
    )


def _below(output: str, name: str) -> str:
    """Returns a directory below OUTPUT, which is a path or a URL."""
    return f"{output.rstrip('/')}/{name}" if is_url(output) else str(Path(output) / name)


def _group_values(source: Any, column: str | None) -> Any:
    """Returns the values of a metadata column for all rows; otherwise the name of a field.

    Raises:
        ValueError: if a row has no value.
    """
    import numpy as np

    if column is None:
        return None
    columns = source.row_columns(np.arange(len(source)))
    if column not in columns:
        return column
    values = np.asarray(columns[column])
    missing = np.flatnonzero(values == "")
    if values.dtype.kind == "U" and len(missing):
        raise ValueError(
            f"--group {column}: this column is empty in {format_count(len(missing), 'row')}, such "
            f"as row {int(source.row_numbers(missing)[0])}. All of them could be one group, or "
            "each a group of its own. Fill in the values, or remove these rows from the table."
        )
    return values
