"""Reads single columns of shards.

read_ahead          reads columns of the coming shards of a remote set in threads
class_counts        counts the rows of each class
different_classes   compares how two sets number their classes and words
readable_shard      opens a shard as a local file, also one behind a URL
read_column         reads one field or metadata column of one shard
"""
