"""The version of a remote file, as a store reports it: it changes when the file is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Keys of the entries of s3fs, gcsfs, adlfs, huggingface_hub, fsspec's drivers of the web and of
# memory: hashes first, then times.
_KEYS = (
    "ETag", "etag", "generation", "md5Hash", "crc32c", "blob_id", "xet_hash", "Content-MD5",
    "Last-Modified", "LastModified", "last_modified", "updated", "mtime", "modified", "created",
)  # fmt: skip


def file_version(entry: Mapping[str, Any]) -> str:
    """Returns a text that differs between the versions of a file; empty if there is none.

    Args:
        entry: the entry of the file in a listing of its driver.
    """
    for key in _KEYS:
        if entry.get(key):
            return f"{key} {entry[key]}"
    return ""
