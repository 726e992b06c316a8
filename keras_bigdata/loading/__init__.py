"""Shards -> batches: the plan, the reader, read-ahead, the sequence that `fit` takes."""
