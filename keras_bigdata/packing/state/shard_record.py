"""The record of one shard that an unfinished pack has written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from keras_bigdata.packing.identity.file_changes import FileChanges, compare_files
from keras_bigdata.shards.fields.entries import ShardInfo


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """The record of one shard that is done.

    Args:
        number: number of the shard in the directory.
        shards: one entry per variant; none if every row was left out.
        skipped: rows left out: `{"row": 7, "file": "a.jpg" or None, "error": "..."}`.
        counts: rows of each class, or `None` if the targets are not class numbers.
        files: sizes and times of the files that the rows were read from, as `record_files` returns
            them; `None` if there are none. Defaults to `None`.
    """

    number: int
    shards: list[ShardInfo]
    skipped: list[dict[str, Any]]
    counts: list[int] | None
    files: dict[str, Any] | None = None

    @classmethod
    def from_json(cls, number: int, content: bytes) -> ShardRecord | None:
        """Returns the record from the content of its file; `None` if that is damaged."""
        try:
            entries = json.loads(content)
            shards = [ShardInfo(**entry) for entry in entries["shards"]]
            # Earlier releases recorded no files.
            recorded = entries.get("files")
            return cls(number, shards, entries["skipped"], entries["counts"], recorded)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def to_json(self) -> str:
        """Returns the content of its file."""
        content = {
            "shards": [asdict(info) for info in self.shards],
            "skipped": self.skipped,
            "counts": self.counts,  # may have thousands of entries, so `asdict` must not copy it
            "files": self.files,
        }
        return json.dumps(content)

    def has_same_files(self, files: Sequence[str]) -> bool:
        """Returns whether the files of the rows are the same as when the shard was written.

        A user may have replaced some to correct them.

        Args:
            files: the files that the rows of the shard are read from.
        """
        try:
            return compare_files(self.files, files) == FileChanges()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False
