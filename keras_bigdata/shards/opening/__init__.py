"""Opens pickles that have no index, or several directories as one set.

removed_shards   the shards that a repair removed from the index
pickle_files     finds the pickles in a directory by their names, and the index
layout           the layout of one pickle: dtype, shape and place of each array
found_fields     finds the fields in one pickle without an index
one_set          checks that pickles without an index can be read in one way only
join             several directories of shards -> the index of one set
scan             creates the index of pickles that have none
open_shards      opens a set of shards: by its index, or by scanning its pickles
"""
