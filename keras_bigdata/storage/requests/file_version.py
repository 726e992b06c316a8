"""The version of a remote file, as a store reports it: it changes when the file is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# In the entries of s3fs, gcsfs, adlfs, huggingface_hub, fsspec's drivers of the web and of memory:
# a hash first, then a time.
_KEYS = (
    "ETag", "etag", "generation", "md5Hash", "crc32c", "blob_id", "xet_hash", "Content-MD5",
    "Last-Modified", "LastModified", "last_modified", "updated", "mtime", "modified", "created",
)  # fmt: skip


def file_version(entry: Mapping[str, Any]) -> str:
    """Returns what tells a file from another one of the same name; empty if nothing does.

    Args:
        entry: what a driver reports of the file.
    """
    for key in _KEYS:
        if entry.get(key):
            return f"{key} {entry[key]}"
    return ""
