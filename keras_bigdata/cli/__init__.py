"""`keras-bigdata`: arguments and printing, a command a file. What it does is done elsewhere."""

from keras_bigdata.cli.main import main

__all__ = ["main"]
