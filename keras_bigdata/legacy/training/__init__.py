"""Restores training as in Keras 1 and 2, where Keras 3 differs without an error.

trainable_at_compile    `trainable` counts as it was when the model was compiled
callback_data           `validation_data` and `params` of callbacks
batch_logs              `logs["batch"]` and `logs["size"]` of callbacks
binary_accuracy        `accuracy` of binary losses
weighted_losses         the mean over rows whose weights are not zero
frozen_statistics       a frozen BatchNormalization of `keras` uses the batch in training
"""
