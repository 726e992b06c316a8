"""Modules of Keras 1 and 2 that Keras 3 does not have.

old_modules      `keras.layers.core`, `keras.utils.np_utils` and similar modules
preprocessing    `keras.preprocessing`, with the names that only `tf.keras` has
"""
