"""Scripts and lines of code after `migrate`, and its notes."""

from __future__ import annotations

import difflib
import functools
import re
import textwrap

from keras_bigdata.migrate import migrate_text
from tests.helpers.legacy_scripts import SCRIPTS

migrated = functools.cache(migrate_text)  # 0.1 s a script, and many tests look at one


def migrate(code: str) -> str:
    return migrated(textwrap.dedent(code).encode()).content.decode()


def notes(code: str) -> dict[int, str]:
    """Returns the messages of the notes by line."""
    messages_by_line: dict[int, str] = {}
    for note in migrated(textwrap.dedent(code).encode()).notes:
        messages_by_line[note.line] = messages_by_line.get(note.line, "") + note.message
    return messages_by_line


def messages(content: bytes) -> list[str]:
    """Returns the notes without the lines that they name, which new imports move."""
    return [re.sub(r"lines? [\d, ]+", "line ", note.message) for note in migrated(content).notes]


def new_lines(name: str) -> list[str]:
    """Returns the lines of a migrated script that it did not have before."""
    before = SCRIPTS[name].decode("latin-1").splitlines()
    after = migrated(SCRIPTS[name]).content.decode("latin-1").splitlines()
    lines = difflib.unified_diff(before, after, n=0)
    return [line[1:] for line in lines if line.startswith("+") and not line.startswith("+++")]
