"""Migrates scripts for Keras 1 and 2 to Keras 3 and this package.

script_files     files -> diffs, or changed files (input_files: which files)
migration        code -> new code and notes: parsed, changed by all rules, and written
program          scripts that are read together (module_files: where imported modules are)
script           the script as the rules see it (keras_version, new_imports; program_names: names
                 that come through modules of the program)
notebook         notebooks as programs (cell_code: lines of IPython; json_spans: where values are)
notes            one note instead of many equal ones
python_2         what to do with a file that is not Python 3
rules/           one kind of change per file

Used by the rules: syntax_tree, dotted_names, call_edits, strings; the tables of old names are in
old_keras/.
"""

from __future__ import annotations

from keras_bigdata.migrate.migration import Migration, migrate_notebook, migrate_text
from keras_bigdata.migrate.script import Note

__all__ = ["Migration", "Note", "migrate_notebook", "migrate_text"]
