"""The rules of migration: one per file, each with a function `plan(script)`."""
