"""One request to a store: time limit, repetition with back-off, errors with the URL."""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from keras_bigdata.errors import StorageError
from keras_bigdata.storage.storage_options import StorageOptions

_T = TypeVar("_T")

# Pauses in seconds before the second and further attempts, each multiplied by a random factor
# between 0.5 and 1.5, so that many readers that were refused together do not return together.
PAUSES = (0.1, 0.3, 1.0, 3.0)

# Time limit of one attempt in seconds. A request is for a few MB at most.
TIMEOUT = 60.0

# Attempts after such an error would only repeat it.
_FINAL = (PermissionError, TypeError, ValueError, NotImplementedError, ImportError)
_FINAL_NAMES = ("Credential", "ParamValidation", "Unauthorized", "Authentication")
# Statuses of HTTP that may be different next time: timeout, too early, too many requests.
_TRANSIENT = (408, 425, 429)


class TransferError(OSError):
    """A store sent something else than what was requested. The request is repeated."""


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
        StorageError: if the store cannot be reached, or refuses the request.
    """
    attempts = 0
    while True:
        try:
            return call()
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, "there is no such file", url) from None
        except FileExistsError:
            raise FileExistsError(errno.EEXIST, "the file exists", url) from None
        except StorageError:
            raise
        except Exception as error:
            attempts += 1
            if attempts <= len(PAUSES) and not _is_final(error):
                time.sleep(PAUSES[attempts - 1] * random.uniform(0.5, 1.5))
                continue
            times = f" in {attempts} attempts" if attempts > 1 else ""
            reason = f"{type(error).__name__}: {error}"
            hidden = options.hide_in(reason)
            raise StorageError(
                f"{url}: {what}{times} ({hidden[:500]}). Check the URL, the credentials "
                "(`storage_options` or the environment) and the network."
                # The message of the driver's own error may hold what must not be printed.
            ) from (error if hidden == reason else None)


def call_driver(filesystem: Any, name: str, *arguments: Any, **options: Any) -> Any:
    """Calls a method of an fsspec file system, with a time limit where the driver has one."""
    if getattr(filesystem, "async_impl", False):
        from fsspec.asyn import sync

        method = getattr(filesystem, f"_{name}")
        return sync(filesystem.loop, method, *arguments, timeout=TIMEOUT, **options)
    return getattr(filesystem, name)(*arguments, **options)


def _is_final(error: Exception) -> bool:
    """Returns whether the same error would follow again."""
    if isinstance(error, TransferError):
        return False
    status = getattr(error, "status", None)
    if isinstance(status, int) and 400 <= status < 500:
        return status not in _TRANSIENT
    return isinstance(error, _FINAL) or any(name in type(error).__name__ for name in _FINAL_NAMES)
