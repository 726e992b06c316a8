"""The index of a set of shards: a file of JSON, checked when it is read.

shard_names     the names of packed shards: number and variant
unfinished      recognizes a directory whose writer has not finished
index_values    checks the values in `index.json`, and converts them
index_columns   the columns in JSON: lists, or runs of equal values and of numbered names
index_checks    checks that the columns agree with one another, and fit the files
missing_index   the error for a URL without an index
index_file      reads and writes the file: format, version, errors
shard_index     `ShardIndex`: the index of a set of shards
"""
