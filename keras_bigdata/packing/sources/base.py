"""`Source`, the base of the sources of this package: selections, splits, and a short `repr`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_rows
from keras_bigdata.permutation import Rows
from keras_bigdata.representation import format_shape, html_table, list_some
from keras_bigdata.shards.fields.roles import Roles, field_names
from keras_bigdata.shards.fields.standard_fields import class_field
from keras_bigdata.shards.selecting.divisible import Divisible, Integers, Mask
from keras_bigdata.shards.selecting.group_numbers import join_groups, number_given_groups
from keras_bigdata.shards.selecting.row_split import split_rows
from keras_bigdata.shards.selecting.strata import AUTO, number_strata

# `None` stands for a dimension that differs from row to row.
RowShape: TypeAlias = "tuple[int | None, ...]"

# Maximum number of fields that a `repr` names.
_PREVIEW = 3

_NO_PROBLEMS: Any = MappingProxyType({})


class Source(Divisible):
    """A source for `pack`, shown by its location, rows, classes and the shapes of its inputs.

    A class that derives from a source and has its own `__getitem__` is packed row by row through
    that method, also after `select` and `split`, which keep the class and the attributes.

    Attributes:
        classes: The label that class i stands for, as a list; or field -> such a list; or `None`.
        roles: The `Roles` of the fields.
        problems: Row -> reason why it cannot be packed, as far as that is known without reading it.
    """

    classes: Any
    roles: Roles
    problems: Mapping[int, str] = _NO_PROBLEMS

    # Row -> the columns that make it a problem.
    _problem_columns: Mapping[int, tuple[str, ...]] = _NO_PROBLEMS
    # The number of each row in the source that was not selected from another one. `None`: all
    # rows, in order.
    _positions: Rows | None = None
    # The same for metadata: a source that is sent to another process may hold its rows only, and
    # then its positions begin again.
    _numbers: Rows | None = None

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, row: int) -> dict[str, Any]:
        raise NotImplementedError

    def __repr__(self) -> str:
        location = self._location()
        start = "" if location is None else f"{location!r}: "
        parts = [_count(len(self), "row", "rows"), *self._count_classes(), *self._input_shapes()]
        return f"{type(self).__name__}({start}{', '.join(parts)})"

    def _repr_html_(self) -> str:
        classes = self.classes
        if isinstance(classes, Mapping):
            classes = {field: list_some(names) for field, names in classes.items()}
        elif classes is not None:
            classes = list_some(classes)
        rows = {
            "location": self._location(),
            "rows": f"{len(self):,}",
            "fields": {name: format_shape(shape) for name, shape in self._row_shapes().items()},
            **self.roles.to_json(),
            "classes": classes,
        }
        return html_table(type(self).__name__, rows)

    def select(self, rows: npt.ArrayLike) -> Self:
        """Returns a source of some rows, with the same classes, vocabulary and text length.

        Args:
            rows: Row numbers, in the order in which the new source has them; they may repeat. Or
                a boolean mask with one entry for each row: the rows where it is true.

        Returns:
            A source of the same class.

        Raises:
            TypeError: If `rows` is neither, such as a slice or a list of floats.
            ValueError: If a row number is negative or too large, if a mask has another length, or
                if no row is selected.

        Example:

        ```python
        first_hundred = source.select(range(100))
        without_zeros = source.select(labels != 0)
        ```
        """
        chosen = checked_rows(rows, len(self))
        # `copy.copy` is not used, because it calls `__getstate__`, which may copy the rows.
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        part._positions = chosen if self._positions is None else self._positions[chosen]
        part._numbers = self.row_numbers(chosen)
        if self.problems:
            with_problem = np.flatnonzero(np.isin(chosen, list(self.problems)))
            old = {new: int(chosen[new]) for new in with_problem.tolist()}
            part.problems = {new: self.problems[row] for new, row in old.items()}
            part._problem_columns = {
                new: self._problem_columns[row]
                for new, row in old.items()
                if row in self._problem_columns
            }
        part._keep_rows(chosen)
        return part

    def split(
        self,
        fraction: float,
        seed: int = 0,
        *,
        stratify: str | Iterable[str] | None = "auto",
        groups: Any = None,
    ) -> tuple[Self, Self]:
        """Splits the rows in two parts, for training and validation.

        Every class is split in the same proportion; with several columns of labels, or several
        labels per row, every combination of them. One-hot labels are classes too. Rows with the
        same file, and a row that was selected more than once, go to the same part. Both parts keep
        the classes, the vocabulary and the text length.

        Args:
            fraction: Share of the rows that the second part receives, between 0 and 1.
            seed: Integer of at least 0; another seed results in another split. Defaults to `0`.
            stratify: Name or names of fields of labels, which are split in the same proportion in
                place of the targets (`"auto"`); `None` for none. Defaults to `"auto"`.
            groups: Array with one value per row, or the name of a field or of a kept column: rows
                with the same value, such as the images of a patient, go to the same part. Rows that
                are connected by files and groups stay together. Defaults to `None`.

        Returns:
            Tuple `(rest, part)` of two sources.

        Raises:
            ValueError: If `fraction` or `seed` is out of range, if there are fewer than two rows,
                files or groups, or if a group is missing (NaN).
            TypeError: If `fraction` is not a number, or `seed` not an integer.

        Example:

        ```python
        train, validation = ImageFolder("flowers", size=(128, 128)).split(0.2)
        ```
        """
        if groups is not None or not (isinstance(stratify, str) and stratify == AUTO):
            return super().split(fraction, seed, stratify=stratify, groups=groups)
        # This split returns the same rows as in the first release.
        first, second = split_rows(self._strata(), self._groups(), fraction, seed)
        return self.select(first), self.select(second)

    @property
    def class_field(self) -> str:
        """The field that `classes` belong to, if they are a list."""
        return class_field(self.roles.targets)

    def count_problems(self) -> dict[str, int]:
        """Returns column -> number of the rows that cannot be packed because of it."""
        return dict(
            Counter(column for columns in self._problem_columns.values() for column in columns)
        )

    def packing_notes(self) -> list[str]:
        """Returns the notes that `pack` prints about the source, such as rows that are left out."""
        return []

    def source_files(self) -> Iterable[str]:
        """Returns the paths of the files or folders that rows are read from, each once."""
        return ()

    def reads_rows_its_own_way(self) -> bool:
        """Returns whether a class outside of this package defines how a row is read."""
        defined_in = next(kind for kind in type(self).__mro__ if "__getitem__" in vars(kind))
        return not defined_in.__module__.startswith(f"{__name__.partition('.')[0]}.")

    def row_numbers(self, rows: Rows) -> Rows:
        """Returns the numbers of rows in the source before any `select` or `split`."""
        return rows if self._numbers is None else self._numbers[rows]

    def row_columns(self, rows: Rows) -> Mapping[str, Any]:
        """Returns metadata columns of some rows: name -> one number or one text per row.

        They are packed next to the fields, describe the rows, and are never inputs.
        """
        return {}

    def _keep_rows(self, rows: Rows) -> None:
        """Reduces what is stored for each row to the selected rows."""

    def _strata(self) -> npt.NDArray[Any]:
        """Returns an integer for each row, the same for the same labels."""
        return np.zeros(len(self), np.int64)

    def _groups(self) -> npt.ArrayLike:
        """Returns an integer for each row; rows with the same one are not separated."""
        if self._positions is None or len(np.unique(self._positions)) == len(self):
            return range(len(self))
        # Numbered in the order of the rows, as above.
        _, first, group = np.unique(self._positions, return_index=True, return_inverse=True)
        return first[group.reshape(-1)]

    def _group_values(self, name: str) -> npt.NDArray[Any]:
        """Returns the values of a column for all rows, for `groups` and `stratify`.

        Raises:
            ValueError: if there is no such column.
        """
        raise self._no_column(name, ())

    def _no_column(self, name: str, names: Iterable[str]) -> ValueError:
        return ValueError(
            f"{type(self).__name__}: there is no column {name!r} to group or stratify the rows by. "
            f"The columns are: {list_some(list(names)) or 'none'}. Columns of a table are there if "
            "`keep` names them. As `groups`, pass an array with one value per row instead."
        )

    def _ragged_column(self, name: str) -> ValueError:
        return ValueError(
            f"{type(self).__name__}: `groups` and `stratify` need one value per row, and the "
            f"field {name!r} has rows of any length. As `groups`, pass an array with one value "
            "per row instead."
        )

    def _count_rows(self) -> int:
        return len(self)

    def _number_strata(self, stratify: Any) -> Integers:
        if isinstance(stratify, str) and stratify == AUTO:
            numbers: Integers = np.unique(self._strata(), return_inverse=True)[1].reshape(-1)
            return numbers
        return number_strata(stratify, (), lambda name: iter([self._group_values(name)]), len(self))

    def _number_groups(self, groups: Any) -> Integers | None:
        numbers: Integers
        _, numbers = np.unique(np.asarray(self._groups()), return_inverse=True)
        numbers = numbers.reshape(-1)
        # Rows of the same file, and rows that were selected more than once.
        are_together = len(self) > 0 and int(numbers.max()) + 1 < len(self)
        if groups is None:
            return numbers if are_together else None
        values = self._group_values(groups) if isinstance(groups, str) else groups
        passed = number_given_groups(values, len(self))
        return join_groups(numbers, passed) if are_together else passed

    def _part(self, parts: Integers, is_chosen: Callable[[Integers], Mask], name: str) -> Self:
        return self.select(np.flatnonzero(is_chosen(parts)))

    def _location(self) -> str | None:
        """Returns the path of the file or folder; `None` for data in memory."""
        return None

    def _row_shapes(self) -> Mapping[str, RowShape]:
        """Returns the shape of one row of each field."""
        raise NotImplementedError

    def _count_classes(self) -> Iterator[str]:
        if isinstance(self.classes, Mapping):
            parts = (
                f"{_count(len(classes), 'class', 'classes')} of {field!r}"
                for field, classes in self.classes.items()
            )
            yield from _shorten(parts, len(self.classes))
        elif self.classes is not None:
            yield _count(len(self.classes), "class", "classes")

    def _input_shapes(self) -> Iterator[str]:
        shapes = self._row_shapes()
        inputs = list(field_names(self.roles.inputs))
        if len(inputs) == 1:
            yield format_shape(shapes[inputs[0]])
        else:
            yield from _shorten(
                (f"{name} {format_shape(shapes[name])}" for name in inputs), len(inputs)
            )


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}"


def _shorten(parts: Iterator[str], number: int) -> Iterator[str]:
    for _, part in zip(range(_PREVIEW), parts, strict=False):
        yield part
    if number > _PREVIEW:
        yield f"and {number - _PREVIEW:,} more"
