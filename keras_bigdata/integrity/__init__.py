"""Are the shards what they should be, and what can be done where they are not. Never Keras.

report      faults, and all that was found
content     one file against its entry: size, checksum, structure
listing     the files there are
bare        pickles without an index, against each other
verify      all of it
class_counts  rows of each class
gone        shards that an earlier repair has left out
variants    augmented copies that have to stay equally long
columns     fields of a shard, whole
duplicates  rows that two sets share
lost_index  an index made anew from the shards
remake      shards made anew from their source
quarantine  where files go that are not used any more
repair      what to do, and doing it
"""
