"""`Shards`: a set of shards, and which of its rows are used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_bool, checked_names, checked_rows
from keras_bigdata.errors import ShardError
from keras_bigdata.progress import Verbose, checked_verbose, track
from keras_bigdata.representation import format_count, html_table, list_some, shorten
from keras_bigdata.shards.fields.metadata_columns import FILE
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.index.shard_index import Field, ShardIndex
from keras_bigdata.shards.opening.one_set import Reading
from keras_bigdata.shards.opening.open_shards import open_shards
from keras_bigdata.shards.reading.read_ahead import map_ahead
from keras_bigdata.shards.remote_options import cache_settings, with_remote_options
from keras_bigdata.shards.selecting.divisible import Divisible, Integers, Mask
from keras_bigdata.shards.selecting.matching_rows import MatchingRows
from keras_bigdata.shards.selecting.selected_columns import ColumnJoiner, read_rows
from keras_bigdata.shards.selecting.selection import Selection
from keras_bigdata.shards.selecting.shard_columns import Column, check_columns, function_name
from keras_bigdata.shards.selecting.strata import number_column_groups, number_strata
from keras_bigdata.shards.still_current import check_still_current

Array = npt.NDArray[Any]
Int64Array = npt.NDArray[np.int64]


class Shards(Divisible):
    """A set of shards, and which of its rows a `ShardSequence` uses.

    Immutable: `where`, `rows` and the others return a new `Shards`, whose rows are among those of
    the former one. A selection takes one bit per row; files are never copied. The order of a
    selected set is that of a set that holds only these rows.

    If the shards hold several augmented variants of the data, rows are selected in the first one,
    and the same rows of the others are used with them.

    Args:
        shards: a directory with or without an index, searched with its subdirectories; the URL of
            a directory with an index, such as `"s3://bucket/train"`; a list of
            directories, which are joined to one set if their fields, roles, classes, vocabulary and
            number of variants are the same; a list of pickle files; a `ShardIndex`; or a `Shards`.
        cache: local directory for copies of the shards behind URLs, in its subdirectory
            `keras_bigdata-cache`, for later epochs and trainings. Several processes and sets may
            share it. Only copies are removed. Defaults to `None`: shards in use are held in memory.
        cache_bytes: maximum size of all copies in that directory, of all sets. What is needed
            latest is removed first. Defaults to `None`: as large as its disk.
        storage_options: options of the fsspec driver of a URL, such as keys and an endpoint. They
            are never printed or written. Defaults to `None`: those of the environment.
        layout: how pickles without an index are read, as in `ShardSequence`. Defaults to `None`.
        trust: whether pickles that cannot be read otherwise are executed, as in `ShardSequence`.
            Defaults to `False`.

    Attributes:
        index: the `ShardIndex` of all rows.
        num_samples: number of selected rows.
        selection: a `Selection`; `None` if all rows are used.
        fields: name -> `Field` (dtype and row shape) of every field.
        trust: whether pickles may be executed.

    Raises:
        TypeError, ValueError: if an argument has a wrong type or value.
        ShardError: if there are no shards, or if they do not fit together.
        CorruptShardError: if the index or a scanned pickle is damaged.

    Example:

    ```python
    shards = Shards("shards/train")
    of_two = shards.where(lambda columns: columns["labels"] != 2)
    table = of_two.columns("labels")["labels"]
    train = ShardSequence(of_two, batch_size=64)
    ```
    """

    def __init__(
        self,
        shards: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | ShardIndex | Shards,
        *,
        cache: str | os.PathLike[str] | None = None,
        cache_bytes: int | None = None,
        storage_options: Mapping[str, Any] | None = None,
        layout: Reading = None,
        trust: bool = False,
    ) -> None:
        self._trust = checked_bool(trust, "trust")
        self._index: ShardIndex
        settings = cache_settings(cache, cache_bytes)
        self._selection: Selection | None = None
        if isinstance(shards, Shards):
            self._index, self._selection = shards._index, shards._selection
            self._trust = self._trust or shards._trust
        else:
            self._index = open_shards(
                shards, storage_options=storage_options, layout=layout, trust=self._trust
            )
        self._index = with_remote_options(self._index, settings, storage_options)

    @classmethod
    def of_index(
        cls, index: ShardIndex, selection: Selection | None, *, trust: bool = False
    ) -> Shards:
        """Creates the `Shards` of an index and a selection of its first variant."""
        shards = cls(index, trust=trust)
        shards._selection = selection
        return shards

    @property
    def index(self) -> ShardIndex:
        """The `ShardIndex` of all rows."""
        return self._index

    @property
    def selection(self) -> Selection | None:
        """Which rows are used; `None` for all."""
        return self._selection

    @property
    def trust(self) -> bool:
        """Whether pickles may be executed."""
        return self._trust

    @property
    def num_samples(self) -> int:
        """Number of selected rows."""
        selection = self._selection
        return self._index.num_samples if selection is None else selection.num_samples

    @property
    def fields(self) -> dict[str, Field]:
        """Every field of the shards by name."""
        return self._index.fields

    def __len__(self) -> int:
        return self.num_samples

    def __repr__(self) -> str:
        return f"Shards({shorten(self._index.directory, 80)!r}: {self._describe_rows()})"

    def _repr_html_(self) -> str:
        return html_table(
            "Shards",
            {
                "directory": self._index.directory,
                "rows": self._describe_rows(),
                "selection": self._selection and self._selection.description,
                "fields": list(self.fields.values()),
            },
        )

    def _describe_rows(self) -> str:
        rows = format_count(self._index.num_samples, "row")
        shards = format_count(len(self._index), "shard")
        if self._selection is None:
            return f"{rows} in {shards}"
        how = shorten(self._selection.description, 60)
        return f"{self.num_samples:,} of {rows} in {shards}, {how}"

    # ---- Selections; `take`, `split` and `folds` are those of `Divisible`

    def where(
        self, function: Callable[[Mapping[str, Array]], Any], *, verbose: Verbose = "auto"
    ) -> Shards:
        """Selects the rows for which a function of their columns is true.

        The function is called once for each shard that has selected rows, with those rows only.
        Columns are read when the function looks them up. Ten million rows of two columns of
        integers, in 100 shards in the page cache, take about 0.1 s.

        Args:
            function: receives a mapping of name -> array of shape `(rows, ...)`, of the metadata
                columns and of the fields that have less than 64 bytes per row (not of encoded
                images, or of rows of any length), and returns a boolean array of shape `(rows,)`.
            verbose: how progress is shown, `0`, `1`, `2` or `"auto"`. Defaults to `"auto"`: only
                if it takes long.

        Returns:
            A `Shards` of the rows where it is true.

        Raises:
            TypeError: if the function returns something other than a boolean array.
            ValueError: if the array has another length, or if no row is selected.
            KeyError: if the function looks up a column that does not exist or is too large.
            ShardError: if a shard cannot be read.

        Example:

        ```python
        shards = Shards("shards/train").where(lambda columns: columns["labels"] == 1)
        ```
        """
        if not callable(function):
            raise TypeError(f"`function` must be a function. Received: function={function!r:.200}")
        verbose = checked_verbose(verbose)
        shards = self._first_variant
        matching = MatchingRows(self._index, shards, self._rows_of, function, trust=self._trust)
        # `_narrowed` requests each shard once, from the first one on.
        found = iter(track(matching, len(shards), "Selecting rows", verbose=verbose))
        description = f"where({function_name(function)})"
        narrowed = self._narrowed(lambda position: next(found), description)
        check_still_current(self._index)
        return narrowed

    def rows(self, rows: npt.ArrayLike) -> Shards:
        """Selects rows by their positions.

        Position i is row i of `columns`, and of `ShardSequence(shards).unshuffled()`: rows are
        counted in the order of the files, and among the selected rows only. The result has the
        order of the files too, whatever the order of the positions is.

        Args:
            rows: positions, a sequence or array of integers; or a mask, a sequence or array of
                `num_samples` booleans.

        Returns:
            A `Shards` of these rows.

        Raises:
            TypeError: if `rows` is neither.
            ValueError: if a position is negative, too large or repeated, if a mask has another
                length, or if no row is selected.

        Example:

        ```python
        some = Shards("shards/train").rows([3, 17, 5])
        ```
        """
        positions = np.sort(checked_rows(rows, self.num_samples))
        repeated = positions[:-1][positions[1:] == positions[:-1]]
        if len(repeated):
            raise ValueError(
                f"`rows` holds {int(repeated[0])} more than once, and a set holds each row once. "
                "Remove the duplicates (numpy.unique), or repeat rows in the training loop."
            )
        count = f"{len(positions):,} of {self.num_samples:,}"
        return self._at(positions, f"rows({count})")

    def columns(self, names: str | Iterable[str], *, verbose: Verbose = "auto") -> dict[str, Any]:
        """Reads columns of the selected rows, in the order of the files.

        Args:
            names: name or names of fields, of any size, or of metadata columns: `"row"`, `"file"`,
                those that were kept, and `"source"`, the number of the pack that wrote the row
                (not 0 for rows that were appended, or of a joined directory).
            verbose: how progress is shown, as in `where`. Defaults to `"auto"`.

        Returns:
            A dict of name -> array of shape `(num_samples, ...)`, of the first variant; texts are
            arrays of dtype `str`, or of `object` if one is far longer than the others, and rows of
            any length are a `Ragged`. Row i is position i of `rows` and row i of
            `ShardSequence(shards).unshuffled()`.

        Raises:
            TypeError: if `names` is not a name or a sequence of names.
            ShardError: if a column does not exist, if it holds encoded images (which are decoded in
                batches only: read them with `ShardSequence(...).unshuffled()`), or if a shard
                cannot be read.

        Example:

        ```python
        labels = Shards("shards/train").columns("labels")["labels"]
        ```
        """
        wanted, verbose = checked_names(names, "names"), checked_verbose(verbose)
        check_columns(self._index, wanted)
        joiner = ColumnJoiner(self._index, wanted, self.num_samples)
        shards = self._first_variant
        parts = self._read_ahead(range(len(shards)), wanted)
        for part in track(parts, len(shards), "Reading", verbose=verbose):
            joiner.add(part)
        check_still_current(self._index)
        return joiner.columns()

    def read_part(self, position: int, names: Iterable[str]) -> dict[str, Column]:
        """Reads columns of the selected rows of one shard of the first variant."""
        shard = int(self._first_variant[position])
        return read_rows(self._index, shard, self._rows_of(position), names, trust=self._trust)

    def _read_ahead(
        self, positions: Iterable[int], names: Sequence[str]
    ) -> Iterator[dict[str, Column]]:
        return map_ahead(partial(self.read_part, names=names), positions, self._index, names)

    # ---- Parts, for `Divisible`

    def _count_rows(self) -> int:
        return self.num_samples

    def _number_strata(self, stratify: Any) -> Integers:
        target = self._index.roles.targets
        automatic = [target] if isinstance(target, str) and self._index.class_counts else []
        return number_strata(stratify, automatic, self._blocks, self.num_samples)

    def _number_groups(self, groups: Any) -> Integers | None:
        has_files = FILE in self._index.columns
        return number_column_groups(groups, self._blocks, self.num_samples, has_files=has_files)

    def _part(self, parts: Integers, is_chosen: Callable[[Integers], Mask], name: str) -> Shards:
        ends = np.cumsum(self._counts)
        starts = ends - self._counts

        def rows_of(position: int) -> Int64Array:
            here = parts[starts[position] : ends[position]]
            return self._rows_of(position)[is_chosen(here)]

        return self._narrowed(rows_of, name)

    def _blocks(self, name: str) -> Iterator[Array]:
        """Yields the values of a column for the selected rows, shard by shard."""
        check_columns(self._index, [name])
        for part in self._read_ahead(np.flatnonzero(self._counts).tolist(), [name]):
            column = part[name]
            if isinstance(column, Ragged):
                raise ValueError("has rows of any length, and one value per row is needed")
            yield column

    # ---- Rows

    @cached_property
    def _first_variant(self) -> Int64Array:
        return np.flatnonzero(self._index.variant == 0)

    def _rows_of(self, position: int) -> Int64Array:
        """Returns the selected rows of one shard of the first variant."""
        if self._selection is not None:
            return self._selection.rows(position)
        return np.arange(self._index.samples[self._first_variant[position]])

    @cached_property
    def _counts(self) -> Int64Array:
        """The number of selected rows of each shard of the first variant."""
        if self._selection is not None:
            return self._selection.counts
        return self._index.samples[self._first_variant]

    def _at(self, positions: Int64Array, description: str) -> Shards:
        """Returns the rows at some positions, which are in ascending order."""
        ends = np.cumsum(self._counts)
        starts = ends - self._counts
        bounds = np.searchsorted(positions, np.append(starts, self.num_samples))

        def rows_of(position: int) -> Int64Array:
            here = positions[bounds[position] : bounds[position + 1]]
            return self._rows_of(position)[here - starts[position]] if len(here) else here

        return self._narrowed(rows_of, description)

    def _narrowed(self, rows_of: Callable[[int], Int64Array], description: str) -> Shards:
        """Returns some of the selected rows, which `rows_of` returns for each shard, in order."""
        _check_variants(self._index)
        if self._selection is None:
            samples = self._index.samples[self._first_variant]
            selection = Selection(samples, rows_of, description)
        else:
            selection = self._selection.narrow(rows_of, description)
        if not selection.num_samples:
            raise ValueError(
                f"{shorten(self._index.directory)}: {shorten(selection.description)} selects none "
                f"of the {self.num_samples:,} rows. A set without rows cannot be used."
            )
        return Shards.of_index(self._index, selection, trust=self._trust)


def _check_variants(index: ShardIndex) -> None:
    """Checks that the shards of all variants have the same numbers of rows.

    Raises:
        ShardError: if they do not, so that it is unknown which row is a copy of which.
    """
    first = index.samples[index.variant == 0]
    for variant in range(1, index.variants):
        other = index.samples[index.variant == variant]
        if not np.array_equal(first, other):
            raise ShardError(
                f"{index.directory}: rows cannot be selected, because the shards of variant "
                f"{variant} are cut in another way than those of variant 0 (rows per shard: "
                f"{list_some(other.tolist())}, and {list_some(first.tolist())}), so that it is "
                "unknown which rows are copies of one another. Pack the data again."
            )
