"""Columns of a table: a CSV file, a pandas DataFrame or a dict of lists."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_bigdata.errors import PackError


@dataclass(frozen=True, slots=True)
class Columns:
    """Some columns of a table.

    Args:
        name: what errors call the table.
        folder: where relative file names start by default.
        values: column name -> one value a row.
        lines: the line of the file that each row ends on, or `None` if it is no file.
    """

    name: str
    folder: Path
    values: dict[str, list[Any]]
    lines: list[int] | None


def read_columns(table: Any, names: Sequence[str], delimiter: str = ",") -> Columns:
    """Reads the named columns.

    Args:
        table: path of a CSV file (UTF-8, a header line, values with the delimiter in quotes), or
            anything like a DataFrame: iterating gives column names, `table[name]` a column.
        names: the columns wanted.
        delimiter: between the values of a CSV file. Defaults to `","`.

    Raises:
        PackError: if the table cannot be read, has no rows or lacks a column.
    """
    if isinstance(table, str | os.PathLike):
        return _read_csv(Path(table), names, delimiter)
    if not hasattr(table, "__getitem__") or not hasattr(table, "__iter__"):
        raise TypeError(
            "`table` must be the path of a CSV file, a DataFrame or a dict of lists. "
            f"Received: table={table!r}"
        )
    name = f"the {type(table).__name__}"
    keys = list(table)
    header = [str(column) for column in keys]
    _check_header(name, header, names)
    # A table without a header has numbers for names.
    values = {column: list(table[keys[header.index(column)]]) for column in dict.fromkeys(names)}
    rows = {column: len(column_values) for column, column_values in values.items()}
    if len(set(rows.values())) > 1:
        raise PackError(f"{name}: the columns differ in length: {rows}")
    if not all(rows.values()):
        raise PackError(f"{name} has no rows.")
    return Columns(name, Path(), values, None)


def _read_csv(path: Path, names: Sequence[str], delimiter: str) -> Columns:
    lines: list[int] = []
    begun = 1
    try:
        # "-sig": spreadsheets put a byte order mark before the header.
        with open(path, encoding="utf-8-sig", newline="") as file:
            # Strict: otherwise a quote that is never closed swallows the rest of the table.
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if not header:
                raise PackError(f"{path}: the file is empty; it needs a header and rows.")
            _check_header(str(path), header, names)
            wanted = {name: header.index(name) for name in names}
            values: dict[str, list[Any]] = {name: [] for name in wanted}
            begun = reader.line_num + 1
            for row in reader:
                begun, line = reader.line_num + 1, begun
                if not any(map(str.strip, row)):
                    continue
                if len(row) != len(header):
                    raise PackError(
                        f"{path}, line {line}: {len(row)} values for {len(header)} "
                        f"columns. Put values that hold a {delimiter!r} in double quotes."
                    )
                lines.append(reader.line_num)
                for name, position in wanted.items():
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
                f"{path}: a value of the row that begins in line {begun} has more than "
                f"{csv.field_size_limit():,} characters. Either a double quote is never closed, or "
                "the value is so long: then pass pandas.read_csv(path)."
            ) from error
        raise PackError(
            f"{path}: the row that begins in line {begun} cannot be read ({error}). A value that "
            "holds a double quote must stand in double quotes, and its own be doubled."
        ) from error
    if not lines:
        raise PackError(f"{path}: there are no rows below the header.")
    return Columns(str(path), path.parent, values, lines)


def _check_header(name: str, header: Sequence[str], wanted: Sequence[str]) -> None:
    for column in wanted:
        if header.count(column) != 1:
            problem = "no column" if column not in header else "more than one column"
            raise PackError(
                f"{name}: there is {problem} {column!r}. The columns are: {', '.join(header)}"
            )
