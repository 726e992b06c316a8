"""Migrates scripts for Keras 1 and 2 to Keras 3 and this package."""

from __future__ import annotations

from keras_bigdata.migrate.migration import Migration, migrate_text
from keras_bigdata.migrate.script import Note

__all__ = ["Migration", "Note", "migrate_text"]
