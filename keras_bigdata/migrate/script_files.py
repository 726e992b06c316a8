"""Migrates script files: prints diffs, or replaces the files."""

from __future__ import annotations

import difflib
import os
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from keras_bigdata.files import atomic_path, check_regular_file
from keras_bigdata.migrate import python_2
from keras_bigdata.migrate.input_files import list_files
from keras_bigdata.migrate.migration import Migration, migrate_program
from keras_bigdata.migrate.module_files import ModuleFiles


@dataclass(frozen=True, slots=True)
class FileResults:
    """The outcome of `migrate_files`.

    Attributes:
        succeeded: whether every file could be read, parsed as Python 3 and, with `write`, written.
        num_changed: the number of files that were changed or, without writing, need changes.
    """

    succeeded: bool
    num_changed: int


def migrate_files(
    paths: Iterable[str | os.PathLike[str]],
    *,
    write: bool = False,
    diff: bool | None = None,
) -> FileResults:
    """Prints the diffs of migrated scripts on stdout, or replaces the scripts.

    Scripts and notebooks that import each other are read as one program. Notes and errors go to
    stderr. Notes name the lines of the file as it is when this function returns. A file that fails
    does not stop the others.

    Args:
        paths: Python files, notebooks, and directories with such files.
        write: whether to replace the files. Each is replaced completely or not at all, with its
            mode, encoding and line ends. A file without permission to write, and one that another
            process has changed in the meantime, are not replaced. Defaults to `False`.
        diff: whether to print diffs, which `patch -p0 --binary` applies. Without it, the names of
            the files are printed that are changed or need changes. Defaults to `None`, which means
            the opposite of `write`.

    Returns:
        A `FileResults`.
    """
    diff = not write if diff is None else diff
    paths = [os.fspath(path) for path in paths]
    try:
        names = list_files(paths)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return FileResults(succeeded=False, num_changed=0)
    module_files = ModuleFiles(Path(os.path.realpath(one)) for one in paths if os.path.isdir(one))
    before, errors = _read(names)
    results = migrate_program(before, module_files=module_files)
    errors |= {path: one for path, one in results.items() if isinstance(one, Exception)}
    migrations = {path: one for path, one in results.items() if isinstance(one, Migration)}
    changed = {path: one for path, one in migrations.items() if one.content != before[path]}
    notes = {path: one.notes for path, one in migrations.items()}
    if write and changed:
        errors |= _replace_files(changed, before)
        changed = {path: one for path, one in changed.items() if path not in errors}
        after = before | {path: one.content for path, one in changed.items()}
        results = migrate_program(after, module_files=module_files)
        notes = {path: one.notes for path, one in results.items() if isinstance(one, Migration)}
    for path, name in names.items():
        if path in errors:
            print(_error_message(name, errors[path], before.get(path, b"")), file=sys.stderr)
            continue
        if path in changed:
            if diff:
                _print_diff(name, before[path], changed[path].content)
            else:
                print(f"{name}: {'changed' if write else 'would be changed'}")
        for note in notes.get(path, ()):
            place = f"{note.line}" if note.cell is None else f"cell {note.cell}:{note.line}"
            print(f"{name}:{place}: {note.message}", file=sys.stderr)
    return FileResults(succeeded=not errors, num_changed=len(changed))


def _read(paths: Iterable[Path]) -> tuple[dict[Path, bytes], dict[Path, Exception]]:
    contents: dict[Path, bytes] = {}
    errors: dict[Path, Exception] = {}
    for path in paths:
        try:
            check_regular_file(path)
            contents[path] = path.read_bytes()
        except OSError as error:
            errors[path] = error
    return contents, errors


def _replace_files(
    changed: Mapping[Path, Migration], before: Mapping[Path, bytes]
) -> dict[Path, Exception]:
    """Replaces files; returns the errors of those that could not be replaced."""
    errors: dict[Path, Exception] = {}
    for path, migration in changed.items():
        try:
            _replace(path, before[path], migration.content)
        except (OSError, ValueError) as error:
            errors[path] = error
    return errors


def _replace(path: Path, before: bytes, content: bytes) -> None:
    """Replaces a file that is still as it was read.

    Raises:
        PermissionError: if the file is read-only. Replacing it would be possible all the same.
        ValueError: if it has changed.
    """
    if not stat.S_IMODE(path.stat().st_mode) & 0o222 or not os.access(path, os.W_OK):
        raise PermissionError(1, "it is read-only, and was not changed")
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
        if path.read_bytes() != before:
            raise ValueError(
                "another process has changed the file since it was read, so it was not replaced. "
                "Run migrate again."
            )


def _error_message(name: str, error: Exception, content: bytes) -> str:
    if isinstance(error, SyntaxError):
        line = f":{error.lineno}" if error.lineno else ""
        text = content.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
        return f"{name}{line}: {python_2.describe(error, text, name)}"
    if isinstance(error, RecursionError):
        return f"{name}: its expressions are nested too deeply to be read, so it was not changed."
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return f"{name}: {reason}"


def _print_diff(name: str, before: bytes, after: bytes) -> None:
    # Bytes, so that the patch applies to files of any encoding and any line ends. A tab ends a name
    # that contains spaces.
    header = name.encode(errors="surrogateescape") + (b"\t" if " " in name else b"")
    lines = difflib.diff_bytes(difflib.unified_diff, _lines(before), _lines(after), header, header)
    for line in lines:
        end = b"" if line.endswith(b"\n") else b"\n\\ No newline at end of file\n"
        _write_stdout(line + end)


def _lines(content: bytes) -> list[bytes]:
    """Returns the lines as `patch` counts them: a carriage return alone ends none."""
    lines = content.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _write_stdout(line: bytes) -> None:
    sys.stdout.flush()
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # a replaced stdout may take text only
        sys.stdout.write(line.decode(errors="replace"))
    else:
        stream.write(line)
        stream.flush()
