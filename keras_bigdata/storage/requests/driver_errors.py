"""What an error of a driver means: no such file, final, or worth another attempt."""

from __future__ import annotations

import errno
from collections.abc import Iterator

# Errors that another attempt would only repeat.
_FINAL = (PermissionError, TypeError, ValueError, NotImplementedError, ImportError)
# Their names in botocore, aiohttp and azure.core, which must not be imported for a comparison.
_FINAL_NAMES = (
    "Credential",
    "ParamValidation",
    "Unauthorized",
    "Authentication",
    "Certificate",
    "NoSuchProvider",
    "ProfileNotFound",
    "NonRetryable",
)
# s3fs makes these of what S3 answers to a wrong request; gcsfs raises an OSError for status 403.
_FINAL_ERRNOS = {
    errno.EINVAL, errno.ENOSYS, errno.ENAMETOOLONG, errno.EMSGSIZE, getattr(errno, "EREMCHG", -1)
}  # fmt: skip
_FINAL_TEXTS = ("Forbidden",)

# Statuses of HTTP below 500 that may be different next time: timeout, conflict of two writers, too
# early, too many requests.
_TRANSIENT = (408, 409, 425, 429)
# Statuses from 500 on that another attempt would only repeat: not implemented, version of HTTP not
# supported.
_NOT_SUPPORTED = (501, 505)
_NOT_FOUND = (404, 410)
_RANGE_NOT_SATISFIABLE = 416


class TransferError(OSError):
    """A store sent something else than what was requested. The request is repeated."""


def is_final(error: BaseException) -> bool:
    """Returns whether another attempt would only repeat the error."""
    if isinstance(error, TransferError):
        return False
    status = status_of(error)
    if status is not None:
        return status in _NOT_SUPPORTED or (status < 500 and status not in _TRANSIENT)
    if isinstance(error, OSError) and error.errno in _FINAL_ERRNOS:
        return True
    if any(name in type(each).__name__ for each in error_chain(error) for name in _FINAL_NAMES):
        return True
    return isinstance(error, _FINAL) or str(error).startswith(_FINAL_TEXTS)


def hidden_failure(error: FileNotFoundError) -> BaseException | None:
    """Returns the failure that a driver has reported as a missing file.

    fsspec's driver of the web reports every failure in this way when it looks up the size of a
    file.

    Returns:
        `None` if the file is missing.
    """
    cause = error.__cause__
    if cause is None:
        return None
    status = status_of(cause)
    if status is not None:
        return None if status in _NOT_FOUND else cause
    if isinstance(cause, FileNotFoundError | KeyError | StopIteration):
        return None
    network = isinstance(cause, OSError | TimeoutError)
    return cause if network or type(cause).__module__.startswith(("aiohttp", "httpx")) else None


def is_not_found(error: BaseException) -> bool:
    """Returns whether a store answered that there is no such file, in an error of its own."""
    return status_of(error) in _NOT_FOUND


def is_past_the_end(error: BaseException) -> bool:
    """Returns whether a store answered that the file ends before the range of a request."""
    return status_of(error) == _RANGE_NOT_SATISFIABLE or "InvalidRange" in str(error)


def status_of(error: BaseException) -> int | None:
    """Returns the status of HTTP with which a store answered; `None` if it did not answer."""
    for each in error_chain(error):
        # aiohttp's parser numbers its errors like answers: 400 for a body that was cut off.
        if type(each).__module__ == "aiohttp.http_exceptions":
            continue
        response = getattr(each, "response", None)
        if isinstance(response, dict):  # botocore
            found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        else:  # in this order: aiohttp; azure.core; gcsfs (aiohttp warns of its `code`)
            names = ("status", "status_code", "code")
            values = (getattr(each, name, None) for name in names)
            found = next((value for value in values if value is not None), None)
            if found is None:  # requests, httpx
                found = getattr(response, "status_code", None)
        if isinstance(found, str) and found.isdecimal():
            found = int(found)
        if isinstance(found, int) and 300 <= found < 600:
            return found
    return None


def error_chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and its causes."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__
