"""The migration of the text of one script."""

from __future__ import annotations

from dataclasses import dataclass

from keras_bigdata.migrate.rules import (
    callbacks,
    file_names,
    fit_calls,
    generator_calls,
    imports,
    layers,
    metric_names,
    model_code,
    optimizers,
    regularizers,
)
from keras_bigdata.migrate.script import Note, Script

# Every rule sees the original script. The edits of all rules are applied together at the end.
_RULES = (
    imports.plan,
    generator_calls.plan,
    fit_calls.plan,
    file_names.plan,
    callbacks.plan,
    optimizers.plan,
    metric_names.plan,
    layers.plan,
    regularizers.plan,
    model_code.plan,
)


@dataclass(frozen=True, slots=True)
class Migration:
    r"""A migrated script and the notes on what remains to be decided.

    Attributes:
        content: the whole new file.
        notes: a list of `Note`s, sorted by line. Lines are those of the old file.

    Example:

    ```python
    from keras_bigdata.migrate import migrate_text

    migration = migrate_text(b"import keras\nkeras.optimizers.Adam(lr=0.1, decay=1e-6)\n")
    assert b"learning_rate=0.1" in migration.content
    for note in migration.notes:
        print(note.line, note.message)
    ```
    """

    content: bytes
    notes: list[Note]


def migrate_text(content: bytes) -> Migration:
    """Migrates a script for Keras 1 or 2 to Keras 3 and this package.

    Only code whose meaning is certain is changed; the rest is listed in notes. Comments,
    formatting, encoding and line ends are kept. Migrating the result again changes nothing more.

    - `model.fit_generator`, `evaluate_generator` and `predict_generator` become functions of
      `keras_bigdata.legacy` with the same arguments, which keep their old meaning. They become
      `model.fit`, `evaluate` and `predict` if the generator is an iterator of
      `ImageDataGenerator.flow_from_directory` or `flow_from_dataframe` that is assigned once in the
      same file, because these iterators have a length, and if no argument is passed that only a
      generator needs (`steps_per_epoch` other than its `len()`, `workers`, ...). A `Sequence` class
      of the script does not count, because float lengths, batches that are lists and a missing
      `super().__init__()` only show when it runs.
    - Imports of names that have moved are changed (`ImageDataGenerator`, `np_utils`,
      `keras.layers.core`, ...).
    - Arguments of layers in Keras 1 (`Convolution2D(8, 3, 3, border_mode="same")`) get their new
      names and order. Layers that Keras 3 does not have come from `keras_bigdata.legacy.layers`.
    - `lr=` and `nb_epoch=`, arguments of callbacks, names of checkpoint files (and the same names
      where they are loaded), and names of metrics where they are read are changed.

    Args:
        content: a Python 3 file, in any encoding that it declares.

    Returns:
        A `Migration` with `content` and `notes`.

    Raises:
        SyntaxError: if it is not Python 3; `lineno` is the line of the error.
        UnicodeDecodeError: if it is not in the encoding that it declares.
        ValueError: if it has characters that cannot be written back unchanged, such as form feeds.

    Example:

    ```python
    from keras_bigdata.migrate import migrate_text

    print(migrate_text(b"model.evaluate_generator(batches, 10)").content.decode())
    ```
    """
    script = Script(content)
    for plan in _RULES:
        plan(script)
    return Migration(script.rewrite(), script.notes)
