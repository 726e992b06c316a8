"""Found instead of TensorFlow where this folder is on PYTHONPATH: as if it were not installed.

With JAX and torch, `keras.utils.set_random_seed` imports TensorFlow if it can: 4 seconds of CPU,
which is half of what many of the programs of the tests take.
"""

raise ImportError("TensorFlow is hidden from this program")
