"""Writes the shards of a plan in several workers.

shard_jobs   rows -> one shard
cluster      ... in the workers of a cluster
parallel     all shards
"""
