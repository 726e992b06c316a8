"""Migrates script files: prints diffs, or replaces the files."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from keras_bigdata.files import atomic_path
from keras_bigdata.migrate.migration import Migration, migrate_text


def migrate_files(paths: Iterable[str | os.PathLike[str]], *, write: bool = False) -> bool:
    """Prints the diffs of migrated scripts on stdout, or replaces the scripts.

    Notes and errors go to stderr. Notes name the lines of the file as it is when this function
    returns. A file that fails does not stop the others.

    Args:
        paths: Python files.
        write: whether to replace the files. Each is replaced completely or not at all, with its
            mode, encoding and line ends. Defaults to `False`.

    Returns:
        Whether every file could be read, parsed as Python 3 and, with `write`, written.
    """
    succeeded = True
    for path in paths:
        try:
            content = _read(Path(path))
            migration = migrate_text(content)
            if write and migration.content != content:
                _write(Path(path), migration.content)
                print(f"{path}: changed")
                migration = migrate_text(migration.content)
        except SyntaxError as error:
            line = f":{error.lineno}" if error.lineno else ""
            print(f"{path}{line}: this is not Python 3: {error.msg}", file=sys.stderr)
            succeeded = False
        except (OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            print(f"{path}: {reason}", file=sys.stderr)
            succeeded = False
        else:
            if not write:
                _print_diff(os.fspath(path), content, migration)
            for note in migration.notes:
                print(f"{path}:{note.line}: {note.message}", file=sys.stderr)
    return succeeded


def _read(path: Path) -> bytes:
    if path.suffix == ".ipynb":
        raise ValueError("this is a notebook; save it as a Python script first.")
    return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _print_diff(path: str, before: bytes, migration: Migration) -> None:
    if migration.content == before:
        return
    # Bytes, so that the patch applies to files of any encoding and any line ends.
    lines = difflib.diff_bytes(
        difflib.unified_diff,
        before.splitlines(keepends=True),
        migration.content.splitlines(keepends=True),
        path.encode(errors="surrogateescape"),
        path.encode(errors="surrogateescape"),
    )
    for line in lines:
        end = b"" if line.endswith(b"\n") else b"\n\\ No newline at end of file\n"
        _write_stdout(line + end)


def _write_stdout(line: bytes) -> None:
    sys.stdout.flush()
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # a replaced stdout may take text only
        sys.stdout.write(line.decode(errors="replace"))
    else:
        stream.write(line)
        stream.flush()
