"""The pages of the documentation: the README and `docs/`, and the code in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.helpers.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# Smaller numbers, so that the code is done in a second.
_SMALLER = {
    r"\((128, 128|224, 224)\)": "(8, 8)",
    r"\b(128x128|224x224)\b": "8x8",
    r"\bepochs=\d+": "epochs=2",
    r"\bepochs\(50\)": "epochs(2)",
    r"\bsteps_per_epoch=100\b": "steps_per_epoch=5",
    r"\bsteps=500\b": "steps=5",
    r"resize=256": "resize=10",
}


class Block(NamedTuple):
    """A block of code: the name of its page, the number of its first line, language and code."""

    page: str
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(language: str | None = None) -> Iterator[Block]:
    """Yields the blocks of code of all pages, or those in one language."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if language in (None, found[1]):
                line = text.count("\n", 0, found.start()) + 1
                yield Block(page.name, line, found[1], found[2])


def smaller(code: str) -> str:
    """Returns code with smaller images and fewer epochs."""
    for pattern, replacement in _SMALLER.items():
        code = re.sub(pattern, replacement, code)
    return code


def commands(code: str) -> list[list[str]]:
    """Returns the commands of shell code, split into words, without comments."""
    lines = code.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [command for command in words if command]


def section(page: Path, title: str) -> str:
    """Returns the text of a section of a page."""
    _, _, after = page.read_text("utf-8").partition(f"\n## {title}\n")
    assert after, title
    return after.partition("\n## ")[0]


def table_cells(text: str, column: int) -> Iterator[str]:
    """Yields the code in one column of the tables in a text."""
    for line in text.splitlines():
        if line.startswith("| "):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            yield from re.findall(r"`([^`]+)`", cells[column])
