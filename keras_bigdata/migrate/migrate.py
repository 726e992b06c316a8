"""One script moved: its new text, and what a person has to decide."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from keras_bigdata.files import atomic_path
from keras_bigdata.migrate.rules import (
    callbacks,
    file_names,
    fit_calls,
    generator_calls,
    imports,
    metric_names,
    model_code,
    optimizers,
)
from keras_bigdata.migrate.script import Note, Script

# Each looks at one thing, in the script as it was; the edits are then made all at once.
_RULES = (
    imports.plan,
    generator_calls.plan,
    fit_calls.plan,
    file_names.plan,
    callbacks.plan,
    optimizers.plan,
    metric_names.plan,
    model_code.plan,
)


@dataclass(frozen=True, slots=True)
class Migration:
    """What became of a script.

    Args:
        content: the whole new file.
        notes: what a person has to decide, by line. Lines are those of the old file.
    """

    content: bytes
    notes: list[Note]


def migrate_text(content: bytes) -> Migration:
    """Moves a legacy Keras script to today's Keras and this package.

    Only what is surely understood is changed; comments, formatting, encoding and line ends are
    kept. Migrating the result again changes nothing more.

    - `model.fit_generator`, `evaluate_generator` and `predict_generator` become functions of
      `keras_bigdata.legacy` with the same arguments, which keep their old meaning. For an
      iterator of `ImageDataGenerator.flow_from_directory` or `flow_from_dataframe` that is
      assigned once in the same file, and with no argument that only a generator needs
      (`steps_per_epoch` other than its `len()`, `workers`, ...), they become `model.fit`,
      `evaluate` and `predict`: these iterators know their length. A `Sequence` class of the
      script's own is not taken for that, because lengths that are floats, batches that are
      lists and a missing `super().__init__()` only show when it runs.
    - Imports of what has moved (`ImageDataGenerator`, `np_utils`, `keras.layers.core`, ...).
    - `lr=` and `nb_epoch=`, arguments of callbacks, names of checkpoints (and the same names
      where they are loaded), metric names where they are read.

    Args:
        content: a Python 3 file, in any encoding that it declares.

    Returns:
        A `Migration` with `content` and `notes`.

    Raises:
        SyntaxError: if it is not Python 3; `lineno` says where.
        UnicodeDecodeError: if it is not in the encoding that it declares.

    Example:

    ```python
    from keras_bigdata.migrate import migrate_text

    print(migrate_text(b"model.evaluate_generator(batches, 10)").content.decode())
    ```
    """
    script = Script(content)
    for rule in _RULES:
        rule(script)
    return Migration(script.rewritten(), script.notes)


def migrate_files(paths: Iterable[str | os.PathLike[str]], *, write: bool = False) -> bool:
    """Prints diffs on stdout, or writes; notes and errors go to stderr.

    Notes name the lines of the file as it is when this ends.

    Args:
        paths: Python files.
        write: change the files. Each is replaced whole or not at all, with its mode,
            encoding and line ends. Defaults to `False`.

    Returns:
        Whether every file could be read, understood as Python 3 and, with `write`, written.
    """
    well = True
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
            well = False
        except (OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            print(f"{path}: {reason}", file=sys.stderr)
            well = False
        else:
            if not write:
                _print_diff(os.fspath(path), content, migration)
            for note in migration.notes:
                print(f"{path}:{note.line}: {note.message}", file=sys.stderr)
    return well


def _read(path: Path) -> bytes:
    if path.suffix == ".ipynb":
        raise ValueError("is a notebook; save it as a Python script first.")
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
        _out(line + end)


def _out(line: bytes) -> None:
    sys.stdout.flush()
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # a replaced stdout takes text only
        sys.stdout.write(line.decode(errors="replace"))
    else:
        stream.write(line)
        stream.flush()
