"""Writes shards and their index.

aligned_pickle   the stream into which a shard is pickled, which aligns large arrays
shard_file       writes one shard: `write_shard`
writing_mark     marks a directory while it is written, and keeps other writers away
writer           writes shards and their index from a loop: `ShardWriter`
"""
