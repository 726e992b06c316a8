"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Literal, TypeVar

Item = TypeVar("Item")

# Work that ends sooner shows nothing.
QUIET_SECONDS = 2.0
LINE_SECONDS = 15.0


def track(
    items: Iterable[Item],
    total: int | None,
    description: str,
    *,
    verbose: Literal["auto", 0, 1, 2] = "auto",
) -> Iterator[Item]:
    """Yields the items and shows on stderr how many of them are done, if it takes long.

    Args:
        items: the items.
        total: their number; `None` if only the end will tell it.
        description: what is done with them.
        verbose: `0` for no output, `2` for lines; `1` and `"auto"` for a bar on a terminal and
            lines elsewhere. Defaults to `"auto"`.
    """
    if verbose == 0:
        yield from items
    elif verbose != 2 and sys.stderr.isatty():
        yield from _bar(items, total, description)
    else:
        yield from _lines(items, total, description)


def _bar(items: Iterable[Item], total: int | None, description: str) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import Progress

    started = time.monotonic()
    progress = Progress(console=Console(stderr=True), transient=True)
    task = progress.add_task(description, total=total)
    try:
        for item in items:
            yield item
            progress.advance(task)
            if not progress.live.is_started and time.monotonic() - started > QUIET_SECONDS:
                progress.start()
    finally:
        progress.stop()


def _lines(items: Iterable[Item], total: int | None, description: str) -> Iterator[Item]:
    told = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if time.monotonic() - told > LINE_SECONDS:
            told = time.monotonic()
            of = "" if total is None else f" of {total}"
            print(f"{description}: {done}{of}", file=sys.stderr, flush=True)
