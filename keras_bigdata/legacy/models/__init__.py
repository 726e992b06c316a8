"""Methods of models as Keras 1 and 2 had them.

generator_methods    `fit_generator`, `evaluate_generator`, `predict_generator` on `keras.Model`
weights_methods      `save_weights` and `load_weights` under old file names (weights_files)
"""
