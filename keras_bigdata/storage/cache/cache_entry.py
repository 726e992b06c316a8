"""The names of the files of a cache, which hold all that identifies their content."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from keras_bigdata.files import TEMPORARY_PREFIX, temporary_target
from keras_bigdata.storage.paths.remote_path import RemotePath

# The subdirectory of a cache that holds all of its files.
SUBDIRECTORY = "keras_bigdata-cache"

# Characters of the name of the remote file that are kept, so that people can read the names.
_READABLE = 60

# No name begins with a dot: temporary names do.
_NAME = re.compile(
    r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,59}-([0-9a-f]{12})-([0-9a-f]{24})-([0-9a-f]{8})-([0-9]{1,18})"
)


@dataclass(frozen=True, slots=True)
class EntryName:
    """The parts of the name of an entry.

    Args:
        group: hash of the URL of the directory of the remote file, the same for all files of a set.
        url: hash of the URL of the remote file.
        checksum: CRC-32 of the content.
        size: size in bytes.
    """

    group: str
    url: str
    checksum: int
    size: int


def entry_name(path: RemotePath, size: int, checksum: int) -> str:
    """Returns the name of the entry for one version of a remote file.

    A file that is replaced by another one has another checksum in the index, so another entry.

    Args:
        path: the remote file.
        size: its size in bytes, as in the index.
        checksum: its CRC-32, as in the index.
    """
    readable = re.sub(r"^[.]|[^A-Za-z0-9._-]", "_", path.name[-_READABLE:]) or "_"
    group, url = _hash(path.parent.url, 12), _hash(path.url, 24)
    return f"{readable}-{group}-{url}-{checksum & 0xFFFFFFFF:08x}-{size}"


def parse_entry(name: str) -> EntryName | None:
    """Returns the parts of the name of an entry; `None` for a file that no cache has written."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return EntryName(match[1], match[2], int(match[3], 16), int(match[4]))


def folder_of(name: str) -> str:
    """Returns the folder of an entry, one of 64, so that no folder becomes long."""
    return f"{int(name.rsplit('-', 3)[1][:2], 16) % 64:02x}"


def temporary_name(name: str) -> str:
    """Returns a new name under which an entry is downloaded."""
    return f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{name}"


def downloaded_entry(temporary: str) -> str | None:
    """Returns the entry that a temporary file is to become; `None` for any other file."""
    name = temporary_target(temporary)
    return name if name is not None and parse_entry(name) is not None else None


def _hash(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
