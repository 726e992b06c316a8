"""Columns of a table -> fields.

table          the columns: of a CSV file, a DataFrame, a dict
file_names     the file of each row
input_fields   the fields that are inputs
numbers        columns -> float32
labels         labels -> class numbers
targets        columns -> targets
row_weights    sample weights
class_filter   rows of classes that are not asked for
kept_columns   what is kept next to the fields
problems       why rows cannot be packed
"""
