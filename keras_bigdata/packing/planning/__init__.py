"""Which rows form which shard, decided before the first one is written.

row_columns   the metadata columns of the rows: `row`, `file`, and what a source keeps
renumbering   class and word numbers of a source -> those of the set it is appended to
plan          `PackPlan`
"""
