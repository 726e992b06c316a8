"""Shards on disk: their pickles, their index, and how both are written and opened.

Each package uses only those above it:

pickles      finds and reads the arrays in a pickle without running it
fields       fields of rows: roles, entries, values
index        the index of a set
reading      reads single columns
writing      writes shards and their index: `ShardWriter`
opening      opens pickles without an index, and several directories as one set
selecting    which rows of a set are used

On top of them:

shards           `Shards`: a set of shards, and which of its rows are used
remote_options   the driver and cache with which the files of a remote set are read
still_current    checks that a remote set was not replaced while it was read
"""
