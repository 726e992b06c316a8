"""Options for directories behind URLs: those of the driver, and the local cache."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

from keras_bigdata.storage.urls.storage_options import is_secret_name
from keras_bigdata.storage.urls.url import is_remote

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BINARY = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def add_storage_option(command: Any) -> None:
    """Adds the option `--storage-option`."""
    command.add_argument(
        "--storage-option",
        action="append",
        type=parse_storage_option,
        default=[],
        metavar="NAME=VALUE",
        help="option of the fsspec driver of a URL, such as anon=true or "
        "endpoint_url=http://localhost:9000; VALUE is read as JSON if it can be, "
        "except the digits of a key, secret, token or password; may be repeated. "
        "Other users of this machine see the command line: pass keys in the environment",
    )


def add_cache(command: Any) -> None:
    """Adds the options `--cache` and `--cache-bytes`."""
    command.add_argument(
        "--cache", metavar="CACHE", help="local directory for copies of the shards of a URL"
    )
    command.add_argument(
        "--cache-bytes",
        type=parse_bytes,
        metavar="SIZE",
        help="maximum size of that directory, such as 20GB (default: that of its disk)",
    )


def storage_options(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """Returns the options of the driver; `None` without any.

    Raises:
        ValueError: if a name is given twice.
    """
    options: dict[str, Any] = {}
    for name, value in arguments.storage_option:
        if name in options:
            raise ValueError(f"--storage-option names {name!r} twice. Pass each option once.")
        options[name] = value
    return options or None


def checked_options(
    arguments: argparse.Namespace, *directories: str | None
) -> dict[str, Any] | None:
    """Returns the options of the driver, which are refused if no directory is a URL.

    Raises:
        ValueError: if they are given for directories of this machine.
    """
    options = storage_options(arguments)
    given = [directory for directory in directories if directory is not None]
    if options is not None and not any(map(is_remote, given)):
        raise ValueError(
            f"--storage-option is for URLs, and {' and '.join(given)} is on this machine. Leave it "
            "out."
        )
    return options


def open_with_cache(arguments: argparse.Namespace) -> Any:
    """Returns the `Shards` of a URL, with the options of its driver and the local cache."""
    from keras_bigdata.shards.shards import Shards

    return Shards(
        arguments.directory,
        cache=arguments.cache,
        cache_bytes=arguments.cache_bytes,
        storage_options=storage_options(arguments),
    )


def check_local(arguments: argparse.Namespace, directory: str) -> None:
    """Refuses the options of URLs for a directory of this machine.

    Raises:
        ValueError: if one is given.
    """
    checked_options(arguments, directory)
    if arguments.cache is not None or arguments.cache_bytes is not None:
        raise ValueError(f"--cache is for URLs, and {directory} is on this machine. Leave it out.")


def url_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns `storage_options` as an argument of a function, if there are any."""
    options = storage_options(arguments)
    return {} if options is None else {"storage_options": options}


def parse_storage_option(text: str) -> tuple[str, Any]:
    """Parses `NAME=VALUE`. The text may be a secret, and is not repeated in an error."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(
            "expected NAME=VALUE, such as anon=true. What was received is not shown: it may be a "
            "secret"
        )
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return name, value
    # A key may consist of digits, and drivers take it as text only.
    is_number = isinstance(parsed, int | float) and not isinstance(parsed, bool)
    return name, value if is_number and is_secret_name(name) else parsed


def parse_bytes(text: str) -> int:
    """Parses a size, such as `20GB`, `512 MiB` or a number of bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    unit = None if match is None else (_UNITS | _BINARY | {"B": 1}).get(match[2].upper())
    size = 0 if match is None or unit is None else int(float(match[1]) * unit)
    if size < 1:
        raise argparse.ArgumentTypeError(
            f"expected a size such as 20GB, 512MiB or a number of bytes, received {text!r}"
        )
    return size
