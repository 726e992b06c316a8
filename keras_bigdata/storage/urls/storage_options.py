"""The options of a driver, such as keys and endpoints, whose values are never printed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

# Environment variables whose values must not be printed either.
_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|CREDENTIAL|CONNECTION_STRING|KEY", re.IGNORECASE)

# Names and password in the address of a proxy, which messages may repeat in part.
_USER_IN_ADDRESS = re.compile(r"://([^/@]*)@")

# Shorter values are parts of ordinary words, which would be hidden too.
_MIN_SECRET = 6

HIDDEN = "***"


class StorageOptions(Mapping[str, Any]):
    """The options of an fsspec driver; the values are not shown.

    Args:
        options: name -> value, as fsspec's `storage_options`. Defaults to `None`: none.

    Raises:
        TypeError: if `options` is not a dict with names as keys.
    """

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        if options is not None and not (
            isinstance(options, Mapping) and all(isinstance(name, str) for name in options)
        ):
            raise TypeError(
                "`storage_options` must be a dict of the options of the driver, such as "
                f"{{'anon': True}}. Received an object of type {type(options).__name__}"
            )
        self._options = dict(options or {})

    def __getitem__(self, name: str) -> Any:
        return self._options[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StorageOptions) and self._options == other._options

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._options)))

    def __repr__(self) -> str:
        return f"StorageOptions({', '.join(f'{name}={HIDDEN}' for name in self._options)})"

    def hide_in(self, text: str) -> str:
        """Returns a text in which the values of the options and of secret variables are hidden."""
        secrets = {*_texts_of(self._options)}
        secrets.update(value for name, value in os.environ.items() if is_secret_name(name))
        forms = {
            form
            for secret in secrets
            if len(secret) >= _MIN_SECRET
            # A secret as it is, in a URL, in a form, and in a `repr`.
            for form in (secret, quote(secret, ""), quote_plus(secret), repr(secret)[1:-1])
        }
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, HIDDEN)
        return text


def is_secret_name(name: str) -> bool:
    """Returns whether the value of an option or a variable with this name is likely a secret."""
    return _SECRET_NAME.search(name) is not None


def _texts_of(value: Any) -> Iterator[str]:
    """Yields all texts in nested options, except those of addresses."""
    if isinstance(value, str):
        if not re.match(r"https?://[^@?]*$", value):
            yield value
            for names in _USER_IN_ADDRESS.findall(value):
                yield from names.split(":")
    elif isinstance(value, int | float):  # such as a password of digits
        yield str(value)
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts_of(each)
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _texts_of(each)
    else:  # such as an object with credentials
        for name, each in getattr(value, "__dict__", {}).items():
            if isinstance(each, str) and is_secret_name(name):
                yield each
