"""Converts columns of a table to fields.

table            reads the columns of a CSV file, a DataFrame or a dict
missing_values   what counts as a missing value
file_names       the file name of each row
input_fields     the fields that are inputs
numbers          columns -> float32
labels           labels -> class numbers
targets          columns -> targets
row_weights      the sample weights of the rows
class_filter     leaves out the rows whose class is not listed
kept_columns     columns that are kept as metadata columns
problems         the reasons why rows cannot be packed
"""
