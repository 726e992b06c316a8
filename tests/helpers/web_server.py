"""A web server on loopback that serves a directory, with faults that a test turns on."""

from __future__ import annotations

import collections
import random
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_BLOCK = 1 << 16


@dataclass
class Faults:
    """What goes wrong. Shares are of the requests, between 0 and 1; all are 0 at first.

    Args:
        error: share that is answered with one of `statuses`.
        statuses: statuses of errors.
        reset: share whose connection is reset instead of an answer.
        stall: share in which nothing comes for `stall_seconds`, before the body or
            in the middle of it.
        stall_seconds: seconds of silence; then the connection is closed.
        cut: share of bodies that end early.
        wrong: share of bodies with a wrong byte.
        whole: share in which `Range` is ignored and the whole file is sent, with status 200.
        no_length: share whose answer does not have a `Content-Length` and ends with the connection.
        latency: seconds before each answer.
        bandwidth: bytes per second of one connection; `None` for no limit.
        in_a_row: number of faults in a row of the same request, after which it succeeds.
        only: regular expression; other paths have no faults.
    """

    error: float = 0
    statuses: tuple[int, ...] = (500, 503, 429)
    reset: float = 0
    stall: float = 0
    stall_seconds: float = 30
    cut: float = 0
    wrong: float = 0
    whole: float = 0
    no_length: float = 0
    latency: float = 0
    bandwidth: float | None = None
    in_a_row: int | None = None
    only: str = ""


class WebServer:
    """Serves a directory until it is closed. Faults depend on the seed and the request only.

    Each connection has a thread, and is kept open. Directories are not listed.

    Args:
        directory: the files.
        seed: seed of the faults.
    """

    def __init__(self, directory: Path, seed: int = 0) -> None:
        self.directory = Path(directory)
        self.seed = seed
        self.faults = Faults()
        self.requests: list[tuple[str, str, str | None]] = []  # method, path, range
        self.given: collections.Counter[str] = collections.Counter()  # faults by name
        self.bytes_sent = 0
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self._seen: collections.Counter[Any] = collections.Counter()
        self._row: collections.Counter[Any] = collections.Counter()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> WebServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all connections and threads."""
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def forget_counts(self) -> None:
        """Counts requests, bytes and faults from 0 again."""
        with self.lock:
            self.requests.clear()
            self.given.clear()
            self.bytes_sent = 0

    def next_faults(
        self, method: str, path: str, range_header: str | None
    ) -> tuple[set[str], random.Random]:
        """Counts a request; returns the faults of its answer and a generator for details."""
        request = (method, path, range_header)
        faults = self.faults
        with self.lock:
            self.requests.append(request)
            number = self._seen[request]
            self._seen[request] += 1
            rng = random.Random(repr((self.seed, request, number)))
            if not re.search(faults.only, path):
                return set(), rng
            names = ("error", "reset", "stall", "cut", "wrong", "whole", "no_length")
            found = {name for name in names if rng.random() < getattr(faults, name)}
            harmful = found - {"whole", "no_length"}
            if harmful and faults.in_a_row is not None:
                if self._row[request] >= faults.in_a_row:
                    self._row[request] = 0
                    found -= harmful
                else:
                    self._row[request] += 1
            self.given.update(found)
            return found, rng


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: WebServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that close their connections are not reported."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each answer takes 40 ms
    server: _Server
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        owner, faults = self.server.owner, self.server.owner.faults
        path = unquote(urlsplit(self.path).path)
        range_header = self.headers.get("Range")
        # Tests change the latency when they see the request, which comes next.
        latency = faults.latency if re.search(faults.only, path) else 0
        given, rng = owner.next_faults(self.command, path, range_header)
        if latency:
            owner.closing.wait(latency)
        if "reset" in given:
            self._reset()
            return
        if "stall" in given and (not body or rng.random() < 0.5):
            self._stall()
            return
        if "error" in given:
            self._send(rng.choice(faults.statuses), b"out of order", {}, body)
            return
        file = (owner.directory / path.lstrip("/")).resolve()
        if not file.is_relative_to(owner.directory.resolve()) or not file.is_file():
            self._send(404, b"no such file", {}, body)
            return
        self._send_file(file, range_header, given, body)

    def _send_file(self, file: Path, range_header: str | None, given: set[str], body: bool) -> None:
        data = file.read_bytes()
        headers = {"Accept-Ranges": "bytes"}
        status = 200
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", range_header or "")
        if match and "whole" not in given:
            start, stop = int(match[1]), min(int(match[2] or len(data)) + 1, len(data))
            if start >= len(data):
                self._send(416, b"", {"Content-Range": f"bytes */{len(data)}"}, body)
                return
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            status, data = 206, data[start:stop]
        if "wrong" in given and data:
            place = len(data) // 2
            data = data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]
        cut = len(data) // 2 if given & {"cut", "stall"} else None
        self._send(status, data, headers, body, cut=cut, length="no_length" not in given)
        if cut is not None and body and "stall" in given:
            self._stall()

    def _send(
        self,
        status: int,
        data: bytes,
        headers: dict[str, str],
        body: bool,
        *,
        cut: int | None = None,
        length: bool = True,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length:
            self.send_header("Content-Length", str(len(data)))
        if not length or cut is not None:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        if not body:
            return
        owner = self.server.owner
        view = memoryview(data)[:cut]
        bandwidth = owner.faults.bandwidth
        for start in range(0, len(view), _BLOCK):
            block = view[start : start + _BLOCK]
            began = time.monotonic()
            with owner.lock:
                owner.bytes_sent += len(block)
            self.wfile.write(block)
            if bandwidth:
                pause = len(block) / bandwidth - (time.monotonic() - began)
                if owner.closing.wait(max(pause, 0)):
                    self.close_connection = True
                    return

    def _stall(self) -> None:
        self.wfile.flush()
        self.server.owner.closing.wait(self.server.owner.faults.stall_seconds)
        self.close_connection = True

    def _reset(self) -> None:
        # With a linger of 0 seconds, closing sends RST.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
