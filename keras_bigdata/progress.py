"""Progress of long work on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import numbers
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias, TypeVar

from keras_bigdata.arguments import checked_choice

Item = TypeVar("Item")
Verbose: TypeAlias = Literal["auto", 0, 1, 2]

# With "auto", work that ends sooner than this shows nothing.
QUIET_SECONDS = 2.0
LINE_SECONDS = 15.0


def checked_verbose(verbose: Any) -> Verbose:
    """Returns `verbose` if it is `"auto"`, 0, 1 or 2.

    - `"auto"`: notes; progress if the work takes long, as a bar on a terminal and as plain lines
      elsewhere.
    - `0`: nothing.
    - `1`: notes, a progress bar from the start (plain lines where stderr is not a terminal) and a
      summary.
    - `2`: notes, plain lines and a summary.

    Raises:
        ValueError: if it is something else.
    """
    if isinstance(verbose, numbers.Integral) and not isinstance(verbose, bool):
        verbose = int(verbose)  # NumPy's integers
    result: Verbose = checked_choice(verbose, "verbose", ("auto", 0, 1, 2))
    return result


def track(
    items: Iterable[Item], total: int | None, description: str, verbose: Verbose = "auto"
) -> Iterator[Item]:
    """Yields the items and reports on stderr how many are done.

    Args:
        items: the items to yield.
        total: number of items; `None` if it is unknown.
        description: the work that is being done, such as `"Packing shards/train"`.
        verbose: see `checked_verbose`. Defaults to `"auto"`.

    Yields:
        The items, in order.
    """
    if verbose == 0:
        yield from items
    elif verbose == 2 or not sys.stderr.isatty():
        yield from _track_in_lines(items, total, description)
    else:
        delay = QUIET_SECONDS if verbose == "auto" else 0.0
        yield from _track_with_bar(items, total, description, delay)


def note(message: str, verbose: Verbose = "auto") -> None:
    """Prints a message on stderr, unless `verbose` is 0."""
    if verbose != 0:
        print(message, file=sys.stderr, flush=True)


def summarize(message: str, verbose: Verbose) -> None:
    """Prints the result of finished work on stderr, if `verbose` is 1 or 2."""
    if verbose in (1, 2):
        print(message, file=sys.stderr, flush=True)


def _track_with_bar(
    items: Iterable[Item], total: int | None, description: str, delay: float
) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        """Items per second."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            text = "" if speed is None else f"{speed:,.{0 if speed >= 10 else 1}f}/s"
            return Text(text, "progress.data.speed")

    started = time.monotonic()
    *columns, time_left = Progress.get_default_columns()
    progress = Progress(*columns, Rate(), time_left, console=Console(stderr=True), transient=True)
    task = progress.add_task(description, total=total)
    try:
        if not delay:
            progress.start()
        for item in items:
            yield item
            progress.advance(task)
            if not progress.live.is_started and time.monotonic() - started > delay:
                progress.start()
    finally:
        progress.stop()


def _track_in_lines(items: Iterable[Item], total: int | None, description: str) -> Iterator[Item]:
    last_line = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last_line > LINE_SECONDS:
            last_line = time.monotonic()
            of_total = "" if total is None else f" of {total}"
            print(f"{description}: {done}{of_total}", file=sys.stderr, flush=True)
