"""Fields of rows: their roles, their entries in an index, their values.

roles              which fields are inputs, targets and sample weights
standard_fields    the names that sources give to fields
class_numbers      up to which numbers integers are classes
entries            the entries of an index: `Field`, `ShardInfo`
varlen             rows of any length in a file: values and offsets
ragged             `Ragged`: rows of any length in memory
metadata_columns   columns that describe rows and are never inputs: `row`, `file`
field_values       values of any kind -> the array of a field, or the reason why not
field_rows         values of any kind -> the rows of a field, which may differ in length
"""
