"""Option `--scheduler`: packs on the workers of a Dask cluster."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import Any

import joblib

# In seconds. Dask's own default is 30.
_TIMEOUT = 20

_ENCRYPTED = ("tls", "wss")

_LARGEST_PORT = 65_535


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
        ValueError: if Dask is not installed, the address cannot be used, there is no scheduler at
            it, or `--workers` is used too.
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
    _check_address(address)
    try:
        client = Client(address, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--scheduler {address}: no Dask scheduler answers there ({error}). Start one with "
            "`dask scheduler`, and workers with `dask worker ADDRESS`."
        ) from error
    with client, joblib.parallel_config(backend="dask", client=client):
        yield


def _check_address(address: str) -> None:
    """Checks an address before there is a `Client` of it.

    A `Client` whose constructor fails on the form of the address is closed by its `__del__`, which
    waits for twice the timeout and prints a traceback (seen with distributed 2026.8).

    Raises:
        ValueError: if it is malformed, or needs TLS and Dask has no certificates.
    """
    from distributed.comm import get_address_host_port, parse_address

    try:
        scheme, _ = parse_address(address)
        _, port = get_address_host_port(address)
        if not 1 <= port <= _LARGEST_PORT:
            raise ValueError(f"the port is not one of 1 to {_LARGEST_PORT}")
    except ValueError as error:
        raise ValueError(
            f"--scheduler {address}: is not the address of a Dask scheduler, such as "
            f"tcp://10.0.0.1:8786 ({error}). Pass the address that `dask scheduler` prints."
        ) from error
    if scheme not in _ENCRYPTED:
        return
    try:
        has_certificates = _has_certificates()
    except OSError as error:
        raise ValueError(
            f"--scheduler {address}: the certificates that the configuration of Dask names "
            f"(distributed.comm.tls) cannot be read ({error}). Correct the names of the files."
        ) from error
    if not has_certificates:
        raise ValueError(
            f"--scheduler {address}: TLS needs certificates, for which the command has no option, "
            "and the configuration of Dask (distributed.comm.tls) names none. Name them there, or "
            "pack from Python: create distributed.Client(ADDRESS, security=...), and call pack() "
            'inside `with joblib.parallel_config(backend="dask")`.'
        )


def _has_certificates() -> bool:
    """Returns whether a `Client` of Dask finds a configuration of TLS."""
    import dask
    from distributed.security import Security

    if dask.config.get("distributed.client.security-loader", None):
        return True
    return Security().get_connection_args("client")["ssl_context"] is not None
