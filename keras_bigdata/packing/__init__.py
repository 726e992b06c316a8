"""Writes any source of samples as shards. Nothing here imports Keras or a backend."""
