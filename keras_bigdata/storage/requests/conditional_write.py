"""Files that are created only if there is none, decided by the store itself."""

from __future__ import annotations

import inspect
from typing import Any

from keras_bigdata.errors import StorageError
from keras_bigdata.storage.requests.driver_errors import error_chain


class NoConditionalWriteError(StorageError):
    """The store, or this version of its driver, cannot create a file only if there is none."""


def write_options(filesystem: Any, only_new: bool) -> dict[str, Any]:
    """Returns the arguments of `pipe_file` of a driver.

    A driver without an argument for this may ignore unknown ones, and replace the file.

    Args:
        filesystem: the driver.
        only_new: whether an existing file is an error.

    Raises:
        NotImplementedError: if the driver cannot create a file only if there is none.
    """
    is_async = getattr(filesystem, "async_impl", False)
    method = filesystem._pipe_file if is_async else filesystem.pipe_file
    parameters = inspect.signature(method).parameters
    if "mode" in parameters:
        return {"mode": "create" if only_new else "overwrite"}
    if "overwrite" in parameters:  # of adlfs
        return {"overwrite": not only_new}
    if only_new:
        raise NotImplementedError("the driver has no conditional write")
    return {}


def is_refused_because_it_exists(error: BaseException) -> bool:
    """Returns whether an error of a driver means that the file exists."""
    return any(
        isinstance(each, FileExistsError)
        or type(each).__name__ == "ResourceExistsError"
        or _code(each) in ("PreconditionFailed", "412")
        or getattr(each, "status", None) == 412
        for each in error_chain(error)
    )


def is_unsupported(error: BaseException) -> bool:
    """Returns whether an error of a driver means that it has no conditional writes."""
    return any(
        isinstance(each, NotImplementedError) or _code(each) in ("NotImplemented", "501")
        for each in error_chain(error)
    )


def _code(error: BaseException) -> str | None:
    """Returns the code of an error of S3."""
    response = getattr(error, "response", None)
    entry = response.get("Error") if isinstance(response, dict) else None
    return entry.get("Code") if isinstance(entry, dict) else None
