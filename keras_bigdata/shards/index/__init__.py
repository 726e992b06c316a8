"""The index of a set of shards: a file of JSON, checked when it is read.

shard_names     the names of packed shards: number and variant
unfinished      what marks a directory whose writer has not finished
index_json      checks of the values in `index.json`
index_columns   its columns: lists, or runs of equal values and numbered names
index_checks    checks that its columns agree, and fit the files
missing_index   the error for a URL without an index
index_file      reads and writes the file: format, version, errors
shard_index     `ShardIndex`: the index of a set of shards
"""
