"""The driver of a scheme: an fsspec file system, one per process and set of options."""

from __future__ import annotations

from typing import Any

from keras_bigdata.errors import StorageError
from keras_bigdata.storage.storage_options import StorageOptions
from keras_bigdata.storage.url import PACKAGES, scheme_of


def open_filesystem(url: str, options: StorageOptions) -> Any:
    """Returns the fsspec file system for a URL.

    It does not cache listings: they would hide what another process writes.

    Args:
        url: a URL.
        options: the options of its driver.

    Raises:
        StorageError: if the driver is not installed, or refuses the options.
        ValueError: if there is no driver for the scheme.
    """
    scheme = scheme_of(url)
    try:
        import fsspec
    except ImportError as error:
        raise StorageError(
            f"{url}: reading URLs needs the package fsspec, which is not installed: "
            f"pip install 'keras_bigdata[remote]'{_driver_too(scheme)}."
        ) from error
    try:
        driver = fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        package = PACKAGES.get(scheme)
        advice = f"pip install {package}" if package else str(error)
        raise StorageError(
            f"{url}: the driver for {scheme}:// is not installed: {advice}."
        ) from error
    except ValueError:
        raise ValueError(
            f"There is no driver for {scheme!r}, the scheme of {url!r}. Known are "
            f"{', '.join(f'{each}://' for each in PACKAGES)}, memory:// and others of fsspec."
        ) from None
    try:
        # fsspec keeps one object for equal arguments, and makes a new one in a forked child.
        return driver(use_listings_cache=False, **options)
    except Exception as error:
        reason = options.hide_in(f"{type(error).__name__}: {error}")
        raise StorageError(
            f"{url}: the driver cannot be opened ({reason[:500]}). Check `storage_options` and "
            "the environment."
        ) from None


def _driver_too(scheme: str) -> str:
    package = PACKAGES.get(scheme)
    return f" {package}" if package else ""
