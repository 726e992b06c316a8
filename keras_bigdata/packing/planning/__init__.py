"""Decides which rows form which shard, before the first one is written.

row_columns     the metadata columns of the rows: `row`, `file`, and the kept columns
ragged_fields   checks the fields of any length that a source declares, and measures their rows
renumbering     class and word numbers of a source -> those of the set that it is appended to
plan            the plan of the shards, and the other content of the index: `PackPlan`
"""
