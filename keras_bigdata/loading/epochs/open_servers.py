"""All servers of this process: which of them are in use, and what a forked child must reset."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from keras_bigdata.child_processes import call_in_forked_child

if TYPE_CHECKING:
    from keras_bigdata.loading.epochs.epoch_server import EpochServer

_servers: weakref.WeakSet[EpochServer] = weakref.WeakSet()


def register_server(server: EpochServer) -> None:
    """Adds a server, for as long as it exists."""
    _servers.add(server)


def servers_in_use(since: float) -> list[EpochServer]:
    """Returns the servers of which batches were requested for training, in this process.

    Args:
        since: the earliest time of the last request, by `time.monotonic()`.
    """
    return [s for s in list(_servers) if s.last_request >= since and not s.state.fixed]


def _reset_after_fork() -> None:
    for server in list(_servers):
        server.reset_after_fork()


call_in_forked_child(_reset_after_fork)
