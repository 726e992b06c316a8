"""An S3 server on loopback (moto's), in a process of its own that ends with the tests."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from typing import Any

_PROGRAM = """
import logging, os, sys
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # until the tests end, also by a kill
os._exit(0)
"""

_numbers = itertools.count()


class S3Server:
    """A server with buckets in its memory.

    Args:
        checks_keys: whether it refuses keys that it did not issue, with status 403. Then nothing
            can be written to it.
    """

    key = "loopback-key-of-tests"
    secret = "loopback-secret-of-tests"

    def __init__(self, *, checks_keys: bool = False) -> None:
        environment = {**os.environ}
        if checks_keys:
            environment["INITIAL_NO_AUTH_ACTION_COUNT"] = "0"
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        assert port, "moto's server did not start: pip install 'moto[server]'"
        self.endpoint = f"http://127.0.0.1:{port}"

    @property
    def options(self) -> dict[str, Any]:
        """`storage_options` for this server."""
        return {
            "key": self.key,
            "secret": self.secret,
            "client_kwargs": {"endpoint_url": self.endpoint},
        }

    def filesystem(self) -> Any:
        """Returns a driver that caches no listings, as another program would use it."""
        import s3fs

        return s3fs.S3FileSystem(**self.options, use_listings_cache=False)

    def new_bucket(self) -> str:
        """Makes an empty bucket and returns its URL."""
        name = f"bucket-{os.getpid()}-{next(_numbers)}"
        self.filesystem().mkdir(name)
        return f"s3://{name}"

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.kill()
        self._process.wait()
