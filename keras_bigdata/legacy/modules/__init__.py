"""Modules of Keras 1 and 2 that Keras 3 does not have.

old_modules      `keras.layers.core`, `keras.utils.np_utils` and similar modules
old_names        finds the objects for their names (initializations, small_functions, batch_metrics,
                 cudnn_layers, hdf5_matrix, input_shapes, scikit_learn)
star_imports     `np`, `K` and other names that `from keras.layers import *` bound
tensorflow_1     `tf.Session`, `tf.ConfigProto` and other names of TensorFlow 1
preprocessing    `keras.preprocessing`, with the names that only `tf.keras` has
"""
