"""Writes the batches of a generator as shards.

batch_source   runs any object that produces batches
batch_fields   a batch -> named arrays, and the roles that restore it
shard_buffer   collects rows of batches until a shard is full
"""
