"""One script moved: its new text, and what a person has to decide."""

from __future__ import annotations

from dataclasses import dataclass

from keras_bigdata.migrate import (
    callbacks,
    checkpoints,
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
    checkpoints.plan,
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
