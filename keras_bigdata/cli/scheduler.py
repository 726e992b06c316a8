"""Option `--scheduler`: packs on the workers of a Dask cluster."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

import joblib

# In seconds. Dask's own default is 30.
_TIMEOUT = 20


def add_scheduler(kind: Any) -> None:
    """Adds the option `--scheduler`."""
    kind.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="pack on the workers of a Dask cluster: the address of its scheduler, such as "
        "tcp://10.0.0.1:8786. Files and OUTPUT must have the same absolute paths on every worker",
    )


@contextlib.contextmanager
def on_cluster(arguments: argparse.Namespace) -> Iterator[None]:
    """Lets joblib work on the cluster of `--scheduler` while the block runs.

    Raises:
        ValueError: if Dask is not installed, there is no scheduler at the address, or `--workers`
            is used too.
    """
    address = arguments.scheduler
    if address is None:
        yield
        return
    if arguments.workers is not None:
        raise ValueError(
            f"--workers {arguments.workers} is a number of processes on this machine, and "
            f"--scheduler {address} packs on all workers of a cluster. Pass one of them."
        )
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            f"--scheduler {address}: needs the package `distributed`, which is not installed "
            f"({error}). Install it with: pip install 'keras_bigdata[dask]'"
        ) from error
    try:
        client = Client(address, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--scheduler {address}: no Dask scheduler answers there ({error}). Start one with "
            "`dask scheduler`, and workers with `dask worker ADDRESS`."
        ) from error
    with client, joblib.parallel_config(backend="dask", client=client):
        yield
