"""The results of `verify` and `repair`: `Fault`, `Report` and `Repair`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from keras_bigdata.integrity.row_names import RowName, describe_row
from keras_bigdata.representation import format_bytes, format_count, html_table, shorten
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.storage.paths.remote_path import RemotePath


@dataclass(frozen=True, slots=True, repr=False)
class Fault:
    """A fault of a file or a directory.

    `str(fault)` is one line with all attributes.

    Args:
        file: path or URL of the file or directory.
        kind: one of `"missing"`, `"unreadable"`, `"size"`, `"checksum"`, `"structure"`, `"extra"`,
            `"index"`, `"unfinished"`, `"duplicates"`, `"classes"`.
        expected: the expected state.
        found: the state that was found.
        remedy: what to do about it.

    Example:

    ```python
    pack(Arrays(x=x, labels=y), "shards/train")
    for fault in verify("shards/train").faults:
        print(fault.file, fault.kind, fault.remedy)
    ```
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

    def __repr__(self) -> str:
        return f"Fault({shorten(self.file)!r}: {self.kind})"

    def _repr_html_(self) -> str:
        names = ("file", "kind", "expected", "found", "remedy")
        return html_table("Fault", {name: getattr(self, name) for name in names})


@dataclass(slots=True, repr=False)
class Report:
    """The result of `verify`.

    `print(report)` lists all faults and notes; the last line is `report.summary()`.

    Args:
        directory: the directory that was checked.
        faults: all faults, in the order of the files. Defaults to `[]`.
        notes: observations that are not faults. Defaults to `[]`.
        shards: number of files that were read. Defaults to `0`.
        rows: rows of one variant in the shards without a fault; the smallest number, if faults make
            the variants differ. Defaults to `0`.
        variants: number of augmented copies of the rows. Defaults to `1`.
        nbytes: bytes that were read, of shards with a fault too. Defaults to `0`.
        seconds: duration. Defaults to `0.0`.
        duplicates: for the first rows that are in both sets (at most 20), `(file, row, file in the
            other set, row there)`: the files of the shards, and row numbers in them. Defaults to
            `[]`.
        duplicate_names: for each of `duplicates`, where both rows come from: the file that the row
            was packed from (column `file`), or else its number in the source (column `row`), or
            `None` if the shards record neither. Defaults to `[]`.

    Example:

    ```python
    pack(Arrays(x=x, labels=y), "shards/train")
    report = verify("shards/train")
    print(report.summary())  # shards/train: no faults; 1 shard, 20 sound rows, ...
    assert report.ok
    ```
    """

    directory: Path | RemotePath
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    shards: int = 0
    rows: int = 0
    nbytes: int = 0
    seconds: float = 0.0
    duplicates: list[tuple[str, int, str, int]] = field(default_factory=list)
    variants: int = 1
    duplicate_names: list[tuple[RowName, RowName]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    def summary(self) -> str:
        """Returns one line: directory, number of faults, shards, rows, bytes and seconds."""
        faults = format_count(len(self.faults), "fault") if self.faults else "no faults"
        rate = f", {format_bytes(self.nbytes / self.seconds)}/s" if self.seconds > 1 else ""
        return (
            f"{self.directory}: {faults}; {format_count(self.shards, 'shard')}, "
            f"{format_count(self.rows, 'sound row')}{self._describe_variants()}, "
            f"{format_bytes(self.nbytes)} in {self.seconds:.1f} s{rate}"
        )

    def _describe_variants(self) -> str:
        return f" in each of {self.variants} variants" if self.variants > 1 else ""

    def __str__(self) -> str:
        duplicates = [f"  {first} = {second}" for first, second in self._describe_duplicates()]
        notes = [f"note: {note}" for note in self.notes]
        return "\n".join([*map(str, self.faults), *duplicates, *notes, self.summary()])

    def _describe_duplicates(self) -> Iterator[tuple[str, str]]:
        """Yields both rows of each pair, as shard, row and, if it is known, where it comes from."""
        names = self.duplicate_names or [(None, None)] * len(self.duplicates)
        for pair, (name, other_name) in zip(self.duplicates, names, strict=True):
            file, row, other_file, other_row = pair
            yield (
                f"{file}, {describe_row(row, name)}",
                f"{other_file}, {describe_row(other_row, other_name)}",
            )

    def __repr__(self) -> str:
        faults = format_count(len(self.faults), "fault") if self.faults else "no faults"
        shards = format_count(self.shards, "shard")
        rows = f"{self.rows:,} sound rows{self._describe_variants()}"
        return f"Report({shorten(self.directory)!r}: {faults}; {shards}, {rows})"

    def _repr_html_(self) -> str:
        return html_table(
            "Report",
            {
                "directory": self.directory,
                "faults": len(self.faults),
                **({"kinds": Counter(fault.kind for fault in self.faults)} if self.faults else {}),
                "files": [f"{fault.file}: {fault.kind}" for fault in self.faults] or None,
                "duplicate rows": [first for first, _ in self._describe_duplicates()] or None,
                "notes": self.notes or None,
                "shards": f"{self.shards:,}",
                "sound rows": f"{self.rows:,}{self._describe_variants()}",
                "size": format_bytes(self.nbytes),
                "seconds": f"{self.seconds:.1f}",
            },
        )


@dataclass(slots=True, repr=False)
class Repair:
    """The result of `repair`: the steps that were carried out or, with `dry_run=True`, are planned.

    `print(repair)` lists the steps and notes; the last line is `repair.summary()`.

    Args:
        directory: the directory of the shards.
        steps: descriptions of the steps, in order. Defaults to `[]`.
        removed: shard name -> rows that are no longer served, `None` if their number is unknown.
            Defaults to `{}`.
        notes: what could not be restored, and what remains to be done. Defaults to `[]`.
        done: whether the steps were carried out. Defaults to `False`.
        index: the index after the repair. Defaults to `None`.

    Example:

    ```python
    pack(Arrays(x=x, labels=y), "shards/train")
    plan = repair("shards/train")  # changes nothing
    print(plan.summary())  # shards/train: nothing to repair.
    ```
    """

    directory: Path | RemotePath
    steps: list[str] = field(default_factory=list)
    removed: dict[str, int | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    done: bool = False
    index: ShardIndex | None = None

    def summary(self) -> str:
        """Returns one line: the directory and whether it was repaired."""
        if not self.steps:
            return f"{self.directory}: nothing to repair."
        return f"{self.directory}: {'repaired' if self.done else 'nothing was changed'}."

    def __str__(self) -> str:
        lines = [*self.steps, *(f"note: {note}" for note in self.notes)]
        if self.removed:
            lines.append(f"removed: {self._describe_removed()}")
        return "\n".join([*lines, self.summary()])

    def __repr__(self) -> str:
        steps = format_count(len(self.steps), "step")
        state = "done" if self.done else "planned"
        removed = f", removed: {self._describe_removed()}" if self.removed else ""
        what = f"{steps} {state}{removed}" if self.steps else "nothing to repair"
        return f"Repair({shorten(self.directory)!r}: {what})"

    def _repr_html_(self) -> str:
        return html_table(
            "Repair",
            {
                "directory": self.directory,
                "state": self.summary().rpartition(": ")[2],
                "steps": self.steps or None,
                "removed": self._describe_removed() if self.removed else None,
                "notes": self.notes or None,
            },
        )

    def _describe_removed(self) -> str:
        rows = list(self.removed.values())
        known = [count for count in rows if count is not None]
        count = format_count(sum(known), "row") if len(known) == len(rows) else None
        return f"{format_count(len(rows), 'shard')} ({count or 'number of rows unknown'})"
