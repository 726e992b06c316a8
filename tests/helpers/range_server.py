"""A web server on this machine that serves the files of a directory, in ranges."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class RangeServer(ThreadingHTTPServer):
    """Serves `directory`; `requests` has the name of each file requested.

    Args:
        directory: the files.
        delay: seconds before each answer.
    """

    daemon_threads = True

    def __init__(self, directory: Path, delay: float = 0.0):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.directory, self.delay = directory, delay
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A client that was killed is not an error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RangeServer

    def do_GET(self):
        self.server.requests.append(self.path[1:])
        time.sleep(self.server.delay)
        try:
            data = (self.server.directory / self.path[1:]).read_bytes()
        except OSError:
            self.send_error(404)
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if found:
            start, stop = int(found[1]), int(found[2]) + 1
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
            data = data[start:stop]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_HEAD(self):
        path = self.server.directory / self.path[1:]
        if not path.is_file():
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()

    def log_message(self, *arguments):
        """Nothing is printed."""


@contextlib.contextmanager
def range_server(directory: Path, delay: float = 0.0) -> Iterator[RangeServer]:
    """Starts a server, and ends it with the block."""
    with RangeServer(directory, delay) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
