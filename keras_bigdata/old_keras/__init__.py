"""What Keras 1 and 2 had, as tables: for running old scripts and for migrating them.

locations        where names were, and where they are
layers           the arguments of layers in Keras 1, and what they are
metric_groups    the names under which one metric was logged
method_arguments the arguments of the methods of models

Nothing here imports Keras.
"""
