"""Reads single columns of shards.

read_ahead          reads columns of coming shards of a remote set ahead
class_counts        number of rows of each class
different_classes   how two sets differ in what class i or word i is
readable_shard      a shard as a local file, wherever it lies
read_column         reads one field or metadata column of one shard
"""
