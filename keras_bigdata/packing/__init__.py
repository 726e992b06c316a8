"""Anything -> shards. Nothing here imports Keras or a backend."""
