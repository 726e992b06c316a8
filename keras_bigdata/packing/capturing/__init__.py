"""Batches of a generator -> shards.

batch_source   runs any object that produces batches
batch_fields   batch -> named arrays, and the roles that restore it
shard_buffer   rows of batches -> shards
"""
