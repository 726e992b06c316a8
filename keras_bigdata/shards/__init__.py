"""Shards on disk: their pickles, their index, and how both are written and opened.

Each package uses only those above it:

pickles      finds and reads the arrays in a pickle without running it
fields       fields of rows: roles, entries, values
index        the index of a set
reading      reads single columns
writing      writes shards and their index: `ShardWriter`
opening      opens pickles without an index, and several directories as one set
selecting    which rows of a set are used

On top of them, shards (`Shards`: a set and the rows of it that are used; remote_index and
still_current: the options of a remote set, and whether it has been replaced).
"""
