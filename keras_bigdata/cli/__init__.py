"""Command line `keras-bigdata`.

The modules parse arguments and print results; the rest of the package does the work.
"""

from keras_bigdata.cli.main import main

__all__ = ["main"]
