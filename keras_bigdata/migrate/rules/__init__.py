"""The rules of migration: one per file, each with a function `plan(script)`.

Used by several rules: dim_ordering, layer_values, loss_functions.
"""
