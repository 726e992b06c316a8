"""Migrates the text of scripts, notebooks and programs with all rules."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from keras_bigdata.migrate.module_files import ModuleFiles, NoModuleFiles
from keras_bigdata.migrate.notebook import Notebook
from keras_bigdata.migrate.notes import merge_notes
from keras_bigdata.migrate.program import Programs, Source
from keras_bigdata.migrate.rules import (
    backend,
    callbacks,
    compile_calls,
    compiled_names,
    custom_callbacks,
    custom_layers,
    custom_metrics,
    data_arguments,
    file_names,
    fit_calls,
    generator_calls,
    ignored_arguments,
    imports,
    iterator_classes,
    layer_shapes,
    layers,
    loss_functions,
    losses_of_tensors,
    masked_merges,
    metric_names,
    model_constructors,
    model_methods,
    names_of_values,
    optimizers,
    regularizers,
    reset_states,
    saved_models,
    silent_changes,
    tensor_shapes,
    tensorflow_names,
    trainable,
)
from keras_bigdata.migrate.script import Note, Script

# Every rule sees the original script. The edits of all rules are applied together at the end.
_RULES = (
    imports.plan,
    loss_functions.plan,
    generator_calls.plan,
    fit_calls.plan,
    compile_calls.plan,
    compiled_names.plan,
    names_of_values.plan,
    model_methods.plan,
    file_names.plan,
    callbacks.plan,
    optimizers.plan,
    metric_names.plan,
    layers.plan,
    layer_shapes.plan,
    regularizers.plan,
    model_constructors.plan,
    iterator_classes.plan,
    ignored_arguments.plan,
    saved_models.plan,
    custom_layers.plan,
    custom_callbacks.plan,
    silent_changes.plan,
    masked_merges.plan,
    reset_states.plan,
    losses_of_tensors.plan,
    trainable.plan,
    backend.plan,
    custom_metrics.plan,
    data_arguments.plan,
    tensorflow_names.plan,
    tensor_shapes.plan,
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
    - `predict_classes`, `predict_proba`, arguments of `compile` that were removed or have moved,
      `layer.output_shape` and `layer.get_output_at(0)` are changed.
    - `lr=` and `nb_epoch=`, arguments of callbacks, names of checkpoint files (and the same names
      where they are loaded), and names of metrics where they are read are changed.
    - Functions of `keras.backend` become those of `keras.ops` where the meaning is the same.

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
    return Migration(script.rewrite(), merge_notes(script.notes, script.line_name))


def migrate_notebook(content: bytes) -> Migration:
    """Migrates a Jupyter notebook, as `migrate_text` does with a script.

    The code cells are migrated together, in the order of the notebook. Lines for IPython (`!pip`,
    `%magic`, `?name`), cells with another language (`%%bash`) and everything that is not code are
    kept byte for byte, as is the formatting of the file, so that a diff shows changed lines only.

    Args:
        content: a notebook in format 2, 3 or 4.

    Returns:
        A `Migration` whose notes name the cell, and the line in it.

    Raises:
        ValueError: if it is not a notebook.

    Example:

    ```python
    import json

    from keras_bigdata.migrate import migrate_notebook

    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": "m.predict_generator(g)"}
    content = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    print(migrate_notebook(content.encode()).content.decode())
    ```
    """
    path = Path("/notebook.ipynb")
    result = migrate_program({path: content}, module_files=NoModuleFiles())[path]
    if isinstance(result, Exception):
        raise result
    return result


def migrate_program(
    contents: Mapping[Path, bytes], *, module_files: ModuleFiles
) -> dict[Path, Migration | Exception]:
    """Migrates files that may import each other.

    Files that import each other are read as one program: names of Keras that come through modules
    of the program are known, and so are the metrics that another file compiles. Modules that are
    imported but not given are read and not changed; a note names those that need changes too.

    Args:
        contents: Python files and notebooks (`.ipynb`), by their absolute paths.
        module_files: finds the files of imported modules.

    Returns:
        For each path its `Migration`, or the `SyntaxError`, `ValueError` or `RecursionError` that
        prevented it.
    """
    results: dict[Path, Migration | Exception] = {}
    notebooks: dict[Path, Notebook] = {}
    sources: dict[Path, Source] = {}
    for path, content in contents.items():
        if path.suffix != ".ipynb":
            sources[path] = Source(content)
            continue
        try:
            notebooks[path] = Notebook(content)
        except ValueError as error:
            results[path] = error
        else:
            sources[path] = Source(notebooks[path].code, line_name=notebooks[path].line_name)
    programs = Programs(sources, module_files)
    for program in programs:
        _plan(program)
        new = {path: _rewrite(source) for path, source in program.items()}
        missing = [
            path
            for path, source in program.items()
            if not source.is_given and (new[path] != source.code or source.notes)
        ]
        for source, node, files in programs.unchanged_imports(program, missing):
            assert source.script is not None
            names = " and ".join(os.path.relpath(file) for file in files)
            source.script.note(
                node,
                f"{names} must be migrated too and {'was' if len(files) == 1 else 'were'} not "
                "given: migrate all files of a program in one call.",
            )
        for path, source in program.items():
            if not source.is_given:
                continue
            code = new[path]
            if isinstance(code, SyntaxError) and path in notebooks:
                place = notebooks[path].line_name(code.lineno or 1)
                results[path] = ValueError(f"{place}: this is not Python 3: {code.msg}")
            elif isinstance(code, Exception):
                results[path] = code
            elif path in notebooks:
                results[path] = _notebook_result(notebooks[path], code, source.notes)
            else:
                results[path] = Migration(code, source.notes)
    return {path: results[path] for path in contents}


def _notebook_result(notebook: Notebook, code: bytes, notes: list[Note]) -> Migration | Exception:
    notes = [notebook.note_place(note) for note in notes] + notebook.notes
    notes.sort(key=lambda note: (note.cell or 0, note.line, note.message))
    try:
        return Migration(notebook.rewrite(code), notes)
    except ValueError as error:
        return error


def _plan(program: Mapping[Path, Source]) -> None:
    """Applies all rules to the scripts of a program."""
    for source in program.values():
        if source.script is None:
            continue
        try:
            for plan in _RULES:
                plan(source.script)
        except RecursionError as error:
            source.error = error


def _rewrite(source: Source) -> bytes | Exception:
    if source.error is not None or source.script is None:
        return source.error or ValueError("the file could not be read.")
    try:
        return source.script.rewrite()
    except RecursionError as error:
        return error
