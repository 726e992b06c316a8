"""Opens pickles that have no index, or several directories as one set.

removed_shards   shards that a repair removed from the index, which records them
pickle_files     finds what a directory holds: an index, or pickles by their names
layout           the layout of one pickle: dtype, shape and place of each array
found_fields     what can be a field in one pickle without an index
one_set          whether pickles without an index can only be read as the rows of one set
join             several directories of shards -> the index of one set
scan             opens a set of shards: by its index, or by inspecting pickles that have none
"""
