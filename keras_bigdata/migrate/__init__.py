"""Migrates scripts for Keras 1 and 2 to Keras 3 and this package.

script_files     files -> texts, and back
migration        the text of one script: parsed, changed by all rules, and written
script           the script as the rules see it (keras_version, new_imports)
rules/           one kind of change per file

Used by the rules: dotted_names, call_edits, strings; the tables of old names are in old_keras/.
"""

from __future__ import annotations

from keras_bigdata.migrate.migration import Migration, migrate_text
from keras_bigdata.migrate.script import Note

__all__ = ["Migration", "Note", "migrate_text"]
