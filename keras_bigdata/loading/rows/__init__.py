"""Reads rows of files into arrays in memory.

row_reader         reads rows of shards into arrays
open_files         the open shards (unreadable_shard: the error if one fails)
preadv, copy_into  one stretch of a file, or of memory, into many places
buffer_pool        recycled memory for batches
column_cache       whole columns of small shards
varlen_reader      rows of varying size -> their bytes (varlen_rows)
row_decoder        their bytes -> arrays: images decoded, numbers padded (ragged_batch)
decode_options     the arguments that say how (row_draws: random numbers of single rows)
ranged_reader      the rows of one batch of remote shards, before the shards arrive
"""
