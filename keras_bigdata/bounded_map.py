"""A parallel `map` whose results do not pile up in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from keras_bigdata.daemon_threads import DaemonThreads

Item = TypeVar("Item")
Result = TypeVar("Result")

# Maximum time in seconds to wait for running calls whose results are not needed any more.
_JOIN_TIMEOUT = 5.0


def bounded_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int, pending: int
) -> Iterator[Result]:
    """Yields `function(item)` for each item, in the order of the items, computed by threads.

    `ThreadPoolExecutor.map` computes all results as fast as it can; here at most `pending` are
    computed ahead of the consumer. An exception of `function` is raised in place of its result.
    When the iteration ends, also through an exception or because the iterator is closed, calls that
    have not started are cancelled, and running calls are waited for, up to 5 seconds: a call that
    never returns must not block the program.

    Args:
        function: called by several threads at a time.
        items: the items; taken one at a time, in the consumer's thread.
        threads: number of threads.
        pending: maximum number of results that are computed, or wait, at one time.

    Yields:
        The results.
    """
    futures: deque[Future[Result]] = deque()
    pool = DaemonThreads(threads, "keras_bigdata-map")
    try:
        for item in items:
            if len(futures) == pending:
                yield futures.popleft().result()
            futures.append(pool.submit(function, item))
        while futures:
            yield futures.popleft().result()
    finally:
        pool.shutdown(_JOIN_TIMEOUT)
