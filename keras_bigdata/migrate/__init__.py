"""Moving legacy Keras scripts to today's Keras and this package, as far as that is sure."""

from __future__ import annotations

from keras_bigdata.migrate.migrate import Migration, migrate_text

__all__ = ["Migration", "migrate_text"]
