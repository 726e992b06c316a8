"""Reads columns of a table: a CSV file, a DataFrame, a `datasets.Dataset` or a dict of lists."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_bigdata.errors import PackError
from keras_bigdata.files import check_regular_file, local_path
from keras_bigdata.permutation import Rows

# The separators that programs write between the values of a table.
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Columns:
    """Some columns of a table.

    Args:
        name: The name of the table in error messages.
        folder: The folder that relative file names start from by default.
        values: Column name -> one value per row.
        lines: The line of the file that each row ends on; `None` for a table in memory.
    """

    name: str
    folder: Path
    values: dict[str, list[Any]]
    lines: list[int] | None

    def select(self, rows: Rows) -> Columns:
        """Returns the same columns with some of the rows."""
        values = {name: [column[row] for row in rows] for name, column in self.values.items()}
        lines = None if self.lines is None else [self.lines[row] for row in rows]
        return Columns(self.name, self.folder, values, lines)


def read_columns(table: Any, names: Sequence[str], delimiter: str = ",") -> Columns:
    """Reads columns of a table.

    Args:
        table: Path of a CSV file (UTF-8, a header line, values with the delimiter in quotes), or
            an object like a DataFrame: `column_names` lists its columns, or iterating over it
            does, and `table[name]` is a column.
        names: The columns to read.
        delimiter: The separator of values in a CSV file. Defaults to `","`.

    Raises:
        PackError: If the table cannot be read, has no rows or lacks a column.
        TypeError: If `table` is neither a path nor like a DataFrame.
        ValueError: If `table` is a URL, or if there is a `delimiter` and no file.
    """
    if isinstance(table, str | os.PathLike):
        return _read_csv(local_path(table, "table"), names, delimiter)
    if delimiter != ",":
        raise ValueError(
            "`delimiter` is for a CSV file, and `table` is not a path. "
            f"Received: delimiter={delimiter!r}, table of type {type(table).__name__}"
        )
    # Iterating over a `datasets.Dataset` yields rows, over a table of pyarrow columns.
    listed = getattr(table, "column_names", None)
    has_names = isinstance(listed, list) or hasattr(table, "__iter__")
    if not hasattr(table, "__getitem__") or not has_names:
        raise TypeError(
            "`table` must be the path of a CSV file, a DataFrame, a Hugging Face Dataset, a table "
            f"of pyarrow or a dict of lists. Received: table={table!r}"
        )
    name = f"the {type(table).__name__}"
    keys = listed if isinstance(listed, list) else list(table)
    header = [str(key) for key in keys]
    _check_header(name, header, names)
    # The columns of a table without a header have integers as names.
    values = {
        column: _as_list(table[keys[header.index(column)]]) for column in dict.fromkeys(names)
    }
    rows = {column: len(column_values) for column, column_values in values.items()}
    if len(set(rows.values())) > 1:
        raise PackError(f"{name}: the columns differ in length: {rows}")
    if not all(rows.values()):
        raise PackError(f"{name} has no rows.")
    return Columns(name, Path(), values, None)


def _as_list(column: Any) -> list[Any]:
    """Returns the values of a column; those of pyarrow as Python objects."""
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def _read_csv(path: Path, names: Sequence[str], delimiter: str) -> Columns:
    lines: list[int] = []
    first_line = 1  # of the row that is read next; a quoted value may hold line breaks
    try:
        check_regular_file(path)
        # "-sig": spreadsheets write a byte order mark before the header.
        with open(path, encoding="utf-8-sig", newline="") as file:
            # Strict: otherwise a quote that is never closed swallows the rest of the table.
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if not header:
                raise PackError(f"{path}: the file is empty; it needs a header and rows.")
            _check_header(str(path), header, names, delimiter)
            positions = {name: header.index(name) for name in names}
            values: dict[str, list[Any]] = {name: [] for name in positions}
            first_line = reader.line_num + 1
            for row in reader:
                first_line, line = reader.line_num + 1, first_line
                if not any(map(str.strip, row)):
                    continue
                if len(row) != len(header):
                    raise PackError(
                        f"{path}, line {line}: {len(row)} values for {len(header)} "
                        f"columns. Put values that hold a {delimiter!r} in double quotes."
                    )
                lines.append(reader.line_num)
                for name, position in positions.items():
                    values[name].append(row[position])
    except OSError as error:
        raise PackError(f"{path}: the table cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise PackError(
            f"{path}: the table is not UTF-8 ({error}). Save it as UTF-8, or pass "
            "pandas.read_csv(path, encoding=...)."
        ) from error
    except csv.Error as error:
        if "field limit" in str(error):
            raise PackError(
                f"{path}: a value of the row that begins in line {first_line} has more than "
                f"{csv.field_size_limit():,} characters. If a double quote is not closed there, "
                "close it. If the value is as long as that, pass pandas.read_csv(path)."
            ) from error
        remedy = _describe_delimiter([_read_header(path)], names, delimiter) or (
            ". Put a value that holds a double quote in double quotes, and double the quote inside "
            "it"
        )
        raise PackError(
            f"{path}: the row that begins in line {first_line} cannot be read ({error}){remedy}."
        ) from error
    if not lines:
        raise PackError(f"{path}: there are no rows below the header.")
    return Columns(str(path), path.parent, values, lines)


def _check_header(
    name: str, header: Sequence[str], columns: Sequence[str], delimiter: str | None = None
) -> None:
    for column in columns:
        if header.count(column) != 1:
            problem = "no column" if column not in header else "more than one column"
            raise PackError(
                f"{name}: there is {problem} {column!r}. The columns are: {', '.join(header)}"
                + ("" if delimiter is None else _describe_delimiter(header, columns, delimiter))
            )


def _read_header(path: Path) -> str:
    """Returns the first line of a file, without splitting it into values."""
    with open(path, encoding="utf-8-sig") as file:
        return file.readline(csv.field_size_limit()).rstrip()


def _describe_delimiter(header: Sequence[str], columns: Sequence[str], delimiter: str) -> str:
    """Returns a hint if the header has the columns with another delimiter, else an empty text."""
    line = delimiter.join(header)
    for other in _DELIMITERS:
        names = [name.strip().strip('"') for name in line.split(other)]
        if other != delimiter and set(columns) <= set(names):
            return f". With delimiter={other!r} there are the columns: {', '.join(names)}"
    return ""
