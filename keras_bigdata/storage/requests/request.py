"""One request to a store: time limit, repetition with back-off, errors with the URL."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import random
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from keras_bigdata.errors import StorageError
from keras_bigdata.storage.requests.driver_errors import (
    TransferError,
    hidden_failure,
    is_final,
    is_not_found,
)
from keras_bigdata.storage.urls.storage_options import StorageOptions

__all__ = ["PAUSES", "TIMEOUT", "IncompleteError", "TransferError", "call_driver", "request"]

_T = TypeVar("_T")

# Pauses in seconds before the second and further attempts, each multiplied by a random factor
# between 0.5 and 1.5, so that many readers that were refused together do not return together.
PAUSES = (0.1, 0.3, 1.0, 3.0)

# Time limit of one attempt in seconds, for a request of a few MB: 8 MiB in 8 connections arrive at
# 1.1 MB/s. Silence ends an attempt earlier (see `filesystem`).
TIMEOUT = 60.0

# No attempt begins later than this number of seconds after the first one. Drivers repeat requests
# by themselves, s3fs and gcsfs five times.
LAST_ATTEMPT = 120.0

# Seconds after the time limit in which the driver has to return. If its thread has died, it never
# does.
_GRACE = 5.0


class IncompleteError(StorageError):
    """A store sent something else than what was requested, in every attempt."""


def request(
    call: Callable[[], _T], url: str, options: StorageOptions, what: str = "cannot be read"
) -> _T:
    """Returns the result of a request; repeats it while it fails, at most four times.

    Args:
        call: sends the request.
        url: the URL, for the message.
        options: the options of the driver, whose values the message must not have.
        what: what failed, for the message. Defaults to `"cannot be read"`.

    Raises:
        FileNotFoundError: if there is no such file.
        FileExistsError: if the file must not exist, and does.
        IncompleteError: if the store sent something else, such as half of the file.
        StorageError: if the store cannot be reached, or refuses the request.
    """
    attempts = 0
    start = time.monotonic()
    while True:
        error: BaseException
        try:
            return call()
        except StorageError:
            raise
        except FileExistsError:
            raise FileExistsError(errno.EEXIST, "the file exists", url) from None
        except FileNotFoundError as missing:
            hidden = hidden_failure(missing)
            if hidden is None:
                raise FileNotFoundError(errno.ENOENT, "there is no such file", url) from None
            error = hidden
        except Exception as other:
            if is_not_found(other):
                raise FileNotFoundError(errno.ENOENT, "there is no such file", url) from None
            error = other
        attempts += 1
        late = time.monotonic() - start > LAST_ATTEMPT
        if attempts > len(PAUSES) or late or is_final(error):
            _fail(error, url, options, what, attempts)
        del error  # it refers to this frame
        time.sleep(PAUSES[attempts - 1] * random.uniform(0.5, 1.5))


def _fail(
    error: BaseException, url: str, options: StorageOptions, what: str, attempts: int
) -> NoReturn:
    times = f" in {attempts} attempts" if attempts > 1 else ""
    reason = options.hide_in(f"{type(error).__name__}: {error}")[:500]
    # The messages of the driver's own errors may hold what must not be printed.
    shown = "".join(traceback.format_exception(error))
    kind = IncompleteError if isinstance(error, TransferError) else StorageError
    raise kind(
        f"{url}: {what}{times} ({reason}). Check the URL, the credentials (`storage_options` or "
        "the environment) and the network."
    ) from (error if options.hide_in(shown) == shown else None)


def missing_bucket_error(url: str) -> StorageError:
    """Returns the error for a file that cannot be written because its bucket does not exist."""
    return StorageError(f"{url}: cannot be written: the bucket or container does not exist.")


def call_driver(
    filesystem: Any, name: str, *arguments: Any, time_limit: float | None = None, **options: Any
) -> Any:
    """Calls a method of an fsspec file system, with a time limit where the driver has one.

    Args:
        filesystem: the file system.
        name: name of the method.
        time_limit: in seconds. Defaults to `None`: `TIMEOUT`.
        *arguments, **options: arguments of the method.

    Raises:
        TimeoutError: after the time limit, if the driver is an asynchronous one.
        Exception: all errors of the driver.
    """
    if not getattr(filesystem, "async_impl", False):
        return getattr(filesystem, name)(*arguments, **options)
    limit = TIMEOUT if time_limit is None else time_limit
    method = getattr(filesystem, f"_{name}")

    async def send() -> Any:
        try:
            async with asyncio.timeout(limit) as timer:
                return await method(*arguments, **options)
        except TimeoutError as error:
            if timer.expired():
                raise TimeoutError(f"no complete answer within {limit:g} s") from error
            raise
        except asyncio.CancelledError:
            if interrupted:
                raise
            # `fsspec.asyn.sync` would return None.
            raise TransferError("the driver cancelled the request") from None

    interrupted: list[bool] = []
    future = asyncio.run_coroutine_threadsafe(send(), filesystem.loop)
    try:
        return future.result(limit + _GRACE)
    except concurrent.futures.TimeoutError:
        if future.done():
            raise
        interrupted.append(True)
        future.cancel()
        raise TimeoutError(f"the driver did not return within {limit:g} s") from None
    except BaseException:  # such as Ctrl-C, which the main thread receives while it waits
        if not future.done():
            interrupted.append(True)
            future.cancel()
        raise
