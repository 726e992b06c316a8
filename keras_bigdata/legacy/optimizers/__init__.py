"""Optimizers with the arguments, default values and meaning of Keras 1 and 2.

arguments        old names and positions, and the default values that `keras` had
learning_rate    `lr` as an attribute, and `decay`
shared_optimizers    one optimizer for several models
"""
