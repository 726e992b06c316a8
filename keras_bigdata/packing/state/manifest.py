"""The manifest of an unfinished pack: which call it is, and whether another call continues it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Container, Mapping
from pathlib import Path
from typing import Any

from keras_bigdata.errors import PackError
from keras_bigdata.packing.forms.decided_forms import STORED
from keras_bigdata.packing.identity.fingerprint import Fingerprint
from keras_bigdata.storage.paths.remote_path import RemotePath

MANIFEST = "manifest.json"

CONTINUE = "Repeat the call to continue from there."

# Key of the number of the pack, as in `ShardInfo.source`. Earlier releases wrote none.
_NUMBER = "number"

_RECORD_NAME = re.compile(r"shard-(\d{5,})\.json")

# File names that a message lists.
_LISTED_NAMES = 5


def manifest_text(fingerprint: Fingerprint, number: int, stored: Mapping[str, Any]) -> str:
    """Returns the content of a manifest.

    Args:
        fingerprint: the identity of the pack.
        number: the number of the pack, as in `ShardInfo.source`.
        stored: the record of the stored forms, as `DecidedForms.record`.
    """
    content = {**fingerprint.content, _NUMBER: number}
    if stored:
        content[STORED] = dict(stored)
    return json.dumps(content)


def forms_in_manifest(content: bytes, fingerprint: Fingerprint) -> Any:
    """Returns the record of the stored forms in a manifest of the same call, or `None`."""
    try:
        recorded = json.loads(content)
        return None if fingerprint.changes_since(recorded) else recorded.get(STORED)
    except (ValueError, AttributeError, TypeError):
        return None


def is_finished(content: bytes, numbers: Container[int]) -> bool:
    """Returns whether a manifest is that of a pack which the index records.

    Args:
        content: the content of the manifest.
        numbers: the numbers of the packs that the index records.
    """
    try:
        return json.loads(content).get(_NUMBER, 0) in numbers
    except (ValueError, AttributeError, TypeError):
        return False


def check_content(
    directory: Path | RemotePath,
    *,
    foreign: Collection[str],
    written: Collection[str],
    is_append: bool,
    has_manifest: bool,
) -> None:
    """Checks that a directory holds only files of a pack.

    Args:
        directory: the directory, for the messages.
        foreign: the names of files that a pack did not write.
        written: the names of shards and records that the index does not name.
        is_append: whether the directory is packed, and rows are appended.
        has_manifest: whether there is a manifest.

    Raises:
        PackError: if it holds something else.
    """
    if is_append and written and not has_manifest:
        raise PackError(
            f"{directory}: holds shards that the index does not name: {list_names(written)}. "
            "Move them out of the directory before you append to it."
        )
    if foreign or (written and not has_manifest):
        raise PackError(
            f"{directory}: the directory holds something else: "
            f"{list_names(foreign or written)}. Pass an empty or a new one."
        )


def check_manifest(
    directory: Path | RemotePath,
    content: bytes,
    fingerprint: Fingerprint,
    stored: Mapping[str, Any],
) -> None:
    """Checks that a call continues the pack of a manifest.

    Args:
        directory: the directory of the shards, for the messages.
        content: the content of the manifest.
        fingerprint: the identity of the call.
        stored: the record of the stored forms of the call.

    Raises:
        PackError: if it does not.
    """
    try:
        recorded = json.loads(content)
    except ValueError as error:
        raise PackError(
            f"{directory}: the manifest of an unfinished pack cannot be read ({error}). Delete "
            f"{directory}."
        ) from error
    # Files may have been corrected since: the records of the shards are compared with them.
    changes = fingerprint.changes_since(recorded)
    if changes:
        raise PackError(
            f"{directory}: holds an unfinished pack of another call. {changes}. Repeat that call "
            "to continue, or pass another directory, or delete this one to start over."
        )
    if (recorded.get(STORED) or {}) != stored:
        # That pack began after this call had decided how the fields are stored.
        raise PackError(f"{directory}: another process has packed here meanwhile. {CONTINUE}")
    if not fingerprint.is_certain(recorded):
        raise PackError(
            f"{directory}: holds an unfinished pack of an earlier version of keras_bigdata, which "
            "recorded the bytecode of `augment`. The bytecode is different now, because the "
            "function or the version of Python has changed. Pass another directory, or delete this "
            "one to start over."
        )


def record_name(number: int) -> str:
    """Returns the name of the file with the record of a shard."""
    return f"shard-{number:05d}.json"


def record_number(name: str) -> int | None:
    """Returns the number of the shard whose record has this name; `None` for any other name."""
    match = _RECORD_NAME.fullmatch(name)
    return None if match is None else int(match[1])


def list_names(names: Collection[str]) -> str:
    """Joins the first names of a list in alphabetical order."""
    more = ", ..." if len(names) > _LISTED_NAMES else ""
    return ", ".join(sorted(names)[:_LISTED_NAMES]) + more
