"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it should be.

    Args:
        file: path of the file (or directory).
        kind: one of `"missing"`, `"unreadable"`, `"size"`, `"checksum"`, `"structure"`, `"extra"`,
            `"index"`, `"unfinished"`, `"duplicates"`.
        expected: what should be there.
        found: what is there.
        remedy: what to do.
    """

    file: str
    kind: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.kind}: expected {self.expected}, found {self.found}. {self.remedy}"
        )


@dataclass(slots=True)
class Report:
    """What `verify` found.

    Args:
        directory: what was checked.
        faults: all that is wrong, in order of the files. Defaults to `[]`.
        notes: what is worth knowing and no fault. Defaults to `[]`.
        shards: files that were read. Defaults to `0`.
        rows: rows in the shards without a fault. Defaults to `0`.
        nbytes: bytes that were read. Defaults to `0`.
        seconds: how long it took. Defaults to `0.0`.
        duplicates: of the first rows that are in both sets `(file, row, file in the other set, row
            there)`. Defaults to `[]`.
    """

    directory: Path
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    shards: int = 0
    rows: int = 0
    nbytes: int = 0
    seconds: float = 0.0
    duplicates: list[tuple[str, int, str, int]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.faults
