"""`RemotePath`: a file or directory behind a URL, used like a `pathlib.Path`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from keras_bigdata.storage.requests.conditional_write import (
    NoConditionalWriteError,
    is_refused_because_it_exists,
    is_unsupported,
    write_options,
)
from keras_bigdata.storage.requests.driver_errors import is_past_the_end
from keras_bigdata.storage.requests.file_version import file_version
from keras_bigdata.storage.requests.request import (
    TIMEOUT,
    TransferError,
    call_driver,
    missing_bucket_error,
    request,
)
from keras_bigdata.storage.urls.filesystem import forget_listings, open_filesystem
from keras_bigdata.storage.urls.storage_options import StorageOptions
from keras_bigdata.storage.urls.url import WEB_SCHEMES, name_in_url, scheme_of

# Bytes per second at which a transfer is expected at least; a slower one is repeated. One rate for
# both directions: what was uploaded over a slow link must also come back over it.
MIN_RATE = 100_000

# Web servers that send the whole file whatever is requested.
_hosts_without_ranges: set[str] = set()


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where local copies of remote shards are kept.

    Args:
        directory: an absolute path.
        max_bytes: maximum size of all copies; `None` for no limit.
    """

    directory: str
    max_bytes: int | None


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A file or directory of an object store or web server.

    It is not an `os.PathLike`: passed to `open`, a URL would name a local file. Its `str` is the
    URL.
    It can be pickled, with the options of the driver, and opens its own connections in each
    process.

    Args:
        url: the URL, as `checked_url` returns it.
        options: the options of the driver. Defaults to none.
        cache: where copies of whole files are kept. Defaults to `None`: in memory, while they are
            open.
        set_version: for a set of shards and its files, a number that follows from its index (see
            `place.of_set`). Defaults to `None`: unknown.
    """

    url: str
    options: StorageOptions = field(default_factory=StorageOptions)
    cache: CacheSettings | None = field(default=None, compare=False)
    set_version: int | None = field(default=None, compare=False)

    def __truediv__(self, name: str | os.PathLike[str]) -> RemotePath:
        return replace(self, url=f"{self.url}/{name_in_url(os.fspath(name), self.scheme)}")

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"RemotePath({self.url!r})"

    @property
    def name(self) -> str:
        """The name of the file, the last part of the URL."""
        name = PurePosixPath(self.url.partition("://")[2]).name
        return unquote(name) if self.scheme in WEB_SCHEMES else name

    @property
    def parent(self) -> RemotePath:
        """The directory that holds it."""
        return replace(self, url=self.url.rpartition("/")[0])

    @property
    def scheme(self) -> str:
        """The scheme, such as `"s3"`."""
        return scheme_of(self.url)

    @property
    def ignores_ranges(self) -> bool:
        """Whether its server has answered a request for a part of a file with the whole file."""
        return self._host in _hosts_without_ranges

    @property
    def _host(self) -> str:
        return "/".join(self.url.split("/", 3)[:3])

    def with_cache(self, cache: CacheSettings | None) -> RemotePath:
        """Returns the same place with another cache."""
        return replace(self, cache=cache)

    def driver_path(self) -> str:
        """Returns the path that the driver has for this URL."""
        return str(open_filesystem(self.url, self.options)._strip_protocol(self.url))

    # ---- Requests, each repeated as `request` does, with its errors

    def call(self, what: str, name: str, *arguments: Any, **options: Any) -> Any:
        """Calls a method of the driver with the path of this file as its first argument."""

        def send() -> Any:
            filesystem = open_filesystem(self.url, self.options)
            forget_listings(filesystem)
            path = filesystem._strip_protocol(self.url)
            return call_driver(filesystem, name, path, *arguments, **options)

        return request(send, self.url, self.options, what)

    def read_bytes(self) -> bytes:
        """Returns the content of the file.

        Raises:
            FileNotFoundError: if it does not exist.
            StorageError: if it cannot be read.
        """
        return bytes(self.call("cannot be read", "cat_file"))

    def read_range(self, start: int, stop: int) -> bytes:
        """Returns bytes `start` to `stop - 1`, in one request.

        Raises:
            FileNotFoundError: if the file does not exist.
            IncompleteError: if it is shorter, or the server sends something else.
            StorageError: if it cannot be read.
        """
        if stop <= start:
            return b""
        seconds = (stop - start) / MIN_RATE
        limit = seconds if seconds > TIMEOUT else None

        def send() -> bytes:
            filesystem = open_filesystem(self.url, self.options)
            path = filesystem._strip_protocol(self.url)
            try:
                data = call_driver(
                    filesystem, "cat_file", path, start=start, end=stop, time_limit=limit
                )
            except Exception as error:
                if is_past_the_end(error):
                    raise TransferError(f"the file ends before byte {stop:,}") from error
                raise
            if len(data) > stop - start and len(data) >= stop:
                _hosts_without_ranges.add(self._host)
                data = data[start:stop]
            if len(data) != stop - start:
                raise TransferError(
                    f"{len(data):,} bytes were received, {stop - start:,} were requested"
                )
            return bytes(data)

        return request(send, self.url, self.options)

    def write_bytes(self, data: bytes, *, only_new: bool = False) -> None:
        """Writes the file, which is complete or absent.

        Args:
            data: the content.
            only_new: whether an existing file is an error, decided by the store itself. Defaults to
                `False`.

        Raises:
            FileExistsError: with `only_new`, if the file exists; also if the answer to a first
                attempt was lost, so that the file is the one that was to be written.
            NoConditionalWriteError: with `only_new`, if the store cannot decide.
            StorageError: if it cannot be written.
        """

        def send() -> None:
            filesystem = open_filesystem(self.url, self.options)
            path = filesystem._strip_protocol(self.url)
            try:
                options = write_options(filesystem, only_new)
                call_driver(filesystem, "pipe_file", path, data, **options)
            except Exception as error:
                if only_new and is_refused_because_it_exists(error):
                    raise FileExistsError(self.url) from None
                if only_new and is_unsupported(error):
                    raise NoConditionalWriteError(
                        f"{self.url}: the store or its driver cannot create a file only if there "
                        "is none."
                    ) from None
                raise

        self._write(send)

    def upload(self, file: str | os.PathLike[str]) -> None:
        """Writes the file from a local one; it is complete or absent.

        Args:
            file: path of the local file.

        Raises:
            StorageError: if it cannot be written, or does not have the size of the local one
                afterwards.
            OSError: if the local file cannot be read.
        """
        size = os.path.getsize(file)

        def send() -> None:
            filesystem = open_filesystem(self.url, self.options)
            path = filesystem._strip_protocol(self.url)
            if self.scheme == "memory":  # where a file that is copied in blocks is seen in part
                call_driver(filesystem, "pipe_file", path, Path(file).read_bytes())
            else:
                limit = TIMEOUT + size / MIN_RATE
                call_driver(filesystem, "put_file", os.fspath(file), path, time_limit=limit)
            found = call_driver(filesystem, "info", path).get("size")
            if found != size:
                raise TransferError(
                    f"{size:,} bytes were written, and the file in the store has {found} bytes"
                )

        self._write(send)

    def copy_to(self, target: RemotePath) -> None:
        """Copies the file within the store, which does not send it to this machine.

        Args:
            target: a file of the same store; it is replaced, and complete at any instant.

        Raises:
            FileNotFoundError: if this file does not exist.
            StorageError: if it cannot be copied.
        """
        size = self.size()

        def send() -> None:
            filesystem = open_filesystem(self.url, self.options)
            paths = [filesystem._strip_protocol(each.url) for each in (self, target)]
            call_driver(filesystem, "cp_file", *paths, time_limit=TIMEOUT + size / MIN_RATE)
            found = call_driver(filesystem, "info", paths[1]).get("size")
            if found != size:
                raise TransferError(f"{size:,} bytes were copied, and the copy has {found} bytes")

        request(send, self.url, self.options, f"cannot be copied to {target}")

    def remove(self) -> None:
        """Removes the file; does nothing if it does not exist.

        Raises:
            StorageError: if it cannot be removed.
        """
        with contextlib.suppress(FileNotFoundError):
            self.call("cannot be removed", "rm_file")

    def _write(self, send: Callable[[], None]) -> None:
        try:
            request(send, self.url, self.options, "cannot be written")
        except FileNotFoundError:
            raise missing_bucket_error(self.url) from None

    def size(self) -> int:
        """Returns the size of the file in bytes.

        Raises:
            FileNotFoundError: if it does not exist.
            StorageError: if it is unknown.
        """
        return self.size_and_version()[0]

    def size_and_version(self) -> tuple[int, str]:
        """Returns the size of the file in bytes, and its version. Raises as `size` does."""

        def send() -> tuple[int, str]:
            filesystem = open_filesystem(self.url, self.options)
            forget_listings(filesystem)
            info = call_driver(filesystem, "info", filesystem._strip_protocol(self.url))
            if info.get("type") == "directory":
                raise FileNotFoundError(self.url)
            if info.get("size") is None:
                raise TransferError("the server does not report the size of the file")
            return int(info["size"]), file_version(info)

        return request(send, self.url, self.options)

    def exists(self) -> bool:
        """Returns whether there is a file at this URL."""
        try:
            self.size()
        except FileNotFoundError:
            return False
        return True

    def list_sizes(self) -> dict[str, int]:
        """Lists all files below this directory in one listing.

        Returns:
            Name, relative to this directory -> size in bytes; empty if nothing is there.

        Raises:
            StorageError: if it cannot be listed.
        """
        return {name: size for name, (size, _) in self.list_files().items()}

    def list_files(self) -> dict[str, tuple[int, str]]:
        """Lists all files below this directory, as `list_sizes`, with size and version of each."""

        def send() -> dict[str, tuple[int, str]]:
            filesystem = open_filesystem(self.url, self.options)
            filesystem.invalidate_cache()
            root = filesystem._strip_protocol(self.url)
            # Hugging Face: revisions are written in another form.
            if hasattr(filesystem, "resolve_path"):
                root = filesystem.resolve_path(root).unresolve()
            found = call_driver(filesystem, "find", root, detail=True)
            prefix = root.rstrip("/") + "/"
            return {
                name.removeprefix(prefix): (entry["size"], file_version(entry))
                for name, entry in found.items()
                # A name that ends in a slash is a folder that a console of the store has made.
                if name.startswith(prefix) and not name.endswith("/")
            }

        try:
            return request(send, self.url, self.options, "cannot be listed")
        except FileNotFoundError:
            return {}
