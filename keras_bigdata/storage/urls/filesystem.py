"""The driver of a scheme: an fsspec file system, one per process and set of options."""

from __future__ import annotations

from typing import Any

from keras_bigdata.errors import StorageError
from keras_bigdata.storage.urls.storage_options import StorageOptions
from keras_bigdata.storage.urls.url import PACKAGES, WEB_SCHEMES, scheme_of

# Seconds without a byte after which a request to a web server fails. s3fs has the same limit.
SILENCE = 15.0

_opened: dict[int, Any] = {}


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
            f"pip install 'keras_bigdata[remote]'{_driver_package(scheme)}."
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
            f"There is no driver for {scheme!r}, the scheme of {url!r}. The known ones are "
            f"{', '.join(f'{each}://' for each in PACKAGES)}, memory:// and others of fsspec."
        ) from None
    try:
        # fsspec keeps one object for equal arguments, and makes a new one in a forked child.
        filesystem = driver(**_arguments(driver, url, scheme, options))
    except Exception as error:
        reason = options.hide_in(f"{type(error).__name__}: {error}")
        raise StorageError(
            f"{url}: the driver cannot be opened ({reason[:500]}). Check `storage_options` and "
            "the environment."
        ) from None
    if not options.get("skip_instance_cache"):
        _keep(filesystem)
    return filesystem


def _arguments(driver: Any, url: str, scheme: str, options: StorageOptions) -> dict[str, Any]:
    """Returns the arguments of a driver: those in the URL, defaults, and the options."""
    arguments = {"use_listings_cache": False, **driver._get_kwargs_from_urls(url), **options}
    if scheme in WEB_SCHEMES:
        import aiohttp

        # A range of a compressed body would be one of other bytes.
        arguments["headers"] = {"Accept-Encoding": "identity", **options.get("headers", {})}
        # By default, silence would end a request after 5 minutes.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)
        arguments["client_kwargs"] = {"timeout": timeout, **options.get("client_kwargs", {})}
    if scheme in ("s3", "s3a"):
        # s3fs and `request` repeat requests too: together 125 attempts, 50 s for a closed port.
        once = {"retries": {"max_attempts": 0}}
        arguments["config_kwargs"] = {**once, **options.get("config_kwargs", {})}
    return arguments


def _keep(filesystem: Any) -> None:
    """Keeps a driver until the process ends, also in a forked child.

    In a forked child, fsspec drops the drivers of the parent. Their connections would be closed
    with the event loop of the parent, whose epoll object both processes share: the parent would
    wait for its own connections in vain.
    """
    if getattr(filesystem, "async_impl", False):
        _opened[id(filesystem)] = filesystem


def forget_listings(filesystem: Any) -> None:
    """Removes the listings that some drivers keep in spite of `use_listings_cache=False`."""
    if getattr(filesystem, "dircache", None):
        filesystem.invalidate_cache()


def _driver_package(scheme: str) -> str:
    """Returns the package of a driver, after a space; empty if fsspec has the driver."""
    package = PACKAGES.get(scheme)
    return f" {package}" if package else ""
