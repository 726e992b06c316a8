"""Writes the shards of a plan in several workers.

shard_jobs   writes one shard, in all variants; runs in a worker
cluster      runs the jobs in a cluster
parallel     writes the shards of a plan, in threads, processes or a cluster
"""
