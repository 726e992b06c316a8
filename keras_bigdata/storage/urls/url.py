"""Checks a URL, and names the package that its scheme needs."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from keras_bigdata.files import is_url

# Scheme -> the package with its driver. fsspec has the drivers of the others.
PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "hf": "huggingface_hub",
    "http": "aiohttp",
    "https": "aiohttp",
}

# Schemes of files on this machine.
LOCAL_SCHEMES = ("file", "local")

# Schemes of web servers, which have no listings and in whose URLs names are quoted.
WEB_SCHEMES = ("http", "https")

# What the drivers take for something else than a part of the name of a file.
_MARKS = {
    "s3": ("?versionId=",),
    "s3a": ("?versionId=",),
    "az": ("?", "#"),
    "abfs": ("?", "#"),
    "abfss": ("?", "#"),
    "hf": ("@",),
}


# Other names of a scheme. One place has one URL, so that a set that is named twice is noticed.
_ALIASES = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}


def checked_url(text: str, argument: str) -> str:
    """Returns a URL in its normal form: `s3://` for `S3://` and `s3a://`, no slash at its end.

    Args:
        text: the URL.
        argument: name of the argument, for the messages.

    Raises:
        ValueError: if it is not the URL of a file or directory, or if it holds credentials, which
            would appear in messages. They are not repeated in the error.
    """
    scheme = text.partition(":")[0].lower()
    if "::" in text:
        raise ValueError(
            f"`{argument}` must be one URL, not a chain of several ('::'). A local cache is made "
            "by Shards(url, cache=directory)."
        )
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        raise ValueError(
            f"`{argument}` must be a path or a URL such as 's3://bucket/name'. Two slashes follow "
            f"the scheme. Received a text that begins with {scheme + ':'!r}"
        )
    parts = urlsplit(text)
    if "@" in parts.netloc and scheme not in ("abfs", "abfss", "hf"):
        raise ValueError(
            f"`{argument}` is a URL with a user name or password in it, which messages would "
            "show. Pass them in `storage_options`, or set the environment variables of the driver."
        )
    if parts.query or parts.fragment:
        raise ValueError(
            f"`{argument}` is a URL with a query ('?' or '#'), such as a signed one. It must name "
            "a directory, to which the names of files are added. Pass keys and signatures in "
            "`storage_options`."
        )
    # The drivers compare the scheme as it is written. The account of abfs://container@account is
    # not understood in az://.
    name = scheme if "@" in parts.netloc else _ALIASES.get(scheme, scheme)
    url = name + text[len(scheme) :].rstrip("/")
    if url.endswith(":") or (scheme != "memory" and not parts.netloc):
        raise ValueError(f"`{argument}` is a URL without a name. Received: {argument}={text!r}")
    if scheme in WEB_SCHEMES:
        url = url.replace(parts.netloc, parts.netloc.lower(), 1)
    if scheme == "memory":
        url = url.replace("memory:///", "memory://")
    if any(part in (".", "..") for part in parts.path.split("/")):
        raise ValueError(f"`{argument}` must not hold '.' or '..'. Received: {argument}={text!r}")
    if scheme not in WEB_SCHEMES and "//" in parts.path.rstrip("/"):
        single = re.sub(r"(?<!:)//+", "/", url)
        raise ValueError(
            f"`{argument}` has two slashes in a row. A store may take them for one, or for a "
            f"directory without a name. Pass {single!r}, or rename the directory. Received: "
            f"{argument}={text!r}"
        )
    return url


def name_in_url(name: str, scheme: str) -> str:
    """Returns the name of a file as it is added to the URL of a directory.

    Args:
        name: name relative to the directory, with `/` between its parts.
        scheme: scheme of the URL. Names are quoted for the web only; stores have them as they are.

    Raises:
        ValueError: if the driver would take a part of the name for something else.
    """
    if scheme in WEB_SCHEMES:
        return quote(name)
    for mark in _MARKS.get(scheme, ()):
        if mark in name:
            raise ValueError(
                f"{name!r} cannot be the name of a file of a {scheme}:// URL: its driver takes "
                f"{mark!r} for something else than a part of a name. Rename the file."
            )
    return name


def scheme_of(url: str) -> str:
    """Returns the scheme of a URL in lower case, such as `"s3"`."""
    return url.partition("://")[0].lower()


def is_remote(text: str) -> bool:
    """Returns whether a text is a URL of a file that is not on this machine."""
    return is_url(text) and text.partition(":")[0].lower() not in LOCAL_SCHEMES
