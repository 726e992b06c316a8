"""Short descriptions of objects for people: numbers with units, and HTML tables for notebooks."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Mapping, Sequence

# A representation must stay readable, however large the data is.
MAX_LINES = 10
MAX_CHARACTERS = 200

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://\S+")


def format_count(count: int, noun: str) -> str:
    """Returns a number and its noun, such as `1 shard` or `14,112 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def format_bytes(count: float) -> str:
    """Returns a size in a decimal unit, such as `1.4 KB`."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def format_seconds(seconds: float) -> str:
    """Returns a time in seconds, minutes or hours, such as `2.1 min`."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def format_shape(shape: Sequence[int | None]) -> str:
    """Returns a shape, such as `(any, 3)`; `None` stands for a size that differs."""
    sizes = ["any" if size is None else str(size) for size in shape]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"


def shorten(text: object, limit: int = MAX_CHARACTERS) -> str:
    """Returns an object as text of at most `limit` characters.

    A longer text ends in `...`. In a URL the middle is left out, because the beginning names the
    store and the end names the set.
    """
    text = str(text)
    if len(text) <= limit:
        return text
    end = (limit - 3) // 2 if _URL.fullmatch(text) else 0
    return f"{text[: limit - 3 - end]}...{text[len(text) - end :]}"


def list_some(items: Sequence[object], limit: int = MAX_LINES) -> str:
    """Returns the first items as text, such as `cat, dog, ... (998 more)`."""
    shown = ", ".join(shorten(item, 40) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown}, ... ({len(items) - limit:,} more)"


def html_table(title: str, rows: Mapping[str, object]) -> str:
    """Returns an HTML table that describes one object, for its `_repr_html_` method.

    Jupyter and Colab show it when the object is the last value of a cell. The table has the title
    as its caption and one row for each item: its name on the left, its value on the right. It is
    plain HTML without scripts or style sheets; all texts are escaped. Its size is bounded: a
    value has at most 10 lines of at most 200 characters, and the rest is abbreviated.

    Args:
        title: caption of the table, such as `"ShardIndex"`.
        rows: name -> value, in order. A list or tuple shows one item per line, a mapping one
            `key: value` per line, any other value its `str`. A row whose value is `None` is left
            out.

    Returns:
        The HTML text.

    Example:

    ```python
    class Camera:
        def __init__(self, name, lenses):
            self.name, self.lenses = name, lenses

        def _repr_html_(self):
            return html_table("Camera", {"name": self.name, "lenses": self.lenses})

    Camera("F3", ["35 mm", "50 mm"])  # in a notebook: a table of two rows
    ```
    """
    lines = [f"<table><caption>{_escape(title)}</caption><tbody>"]
    lines += [
        f'<tr><th style="text-align: left">{_escape(name)}</th>'
        f'<td style="text-align: left">{"<br>".join(map(_escape, _lines_of(value)))}</td></tr>'
        for name, value in rows.items()
        if value is not None
    ]
    return "\n".join([*lines, "</tbody></table>"])


def _lines_of(value: object) -> list[str]:
    if isinstance(value, Mapping):
        lines = [f"{key}: {item}" for key, item in itertools.islice(value.items(), MAX_LINES)]
    elif isinstance(value, (list, tuple)):
        lines = [str(item) for item in value[:MAX_LINES]]
    else:
        return [str(value)]
    rest = len(value) - MAX_LINES
    return [*lines, f"... ({rest:,} more)"] if rest > 0 else lines


def _escape(text: object) -> str:
    return html.escape(shorten(text))
