"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

# Work that ends sooner shows nothing.
QUIET_SECONDS = 2.0
LINE_SECONDS = 15.0


def track(items: Iterable[Item], total: int | None, description: str) -> Iterator[Item]:
    """Yields the items and tells on stderr how far they are, if it takes long.

    `total` is `None` where only the end will tell.
    """
    if sys.stderr.isatty():
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
