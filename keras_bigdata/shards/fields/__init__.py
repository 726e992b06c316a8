"""Fields of rows: their roles, their entries in an index, their values.

roles              which fields are inputs, targets and sample weights
standard_fields    the names that sources give to fields
entries            the entries of an index: `Field`, `ShardInfo`
varlen             rows of any length in a file: values and offsets
ragged             `Ragged`: the same in memory
metadata_columns   what describes a row and is never an input: `row`, `file`
field_values       values of any kind -> the array of a field, or why not
field_rows         the same for rows that may differ in length: `Ragged`
"""
