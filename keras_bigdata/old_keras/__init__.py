"""Tables of the names and arguments of Keras 1 and 2, for running and for migrating scripts.

locations        the modules of names in Keras 1 and 2 and in Keras 3
layers           the arguments of layers in Keras 1, and their names in Keras 3
metric_groups    the names under which one metric was logged
compiled_names   names of losses and metrics in `compile` that Keras 3 does not know
method_arguments the arguments of the methods of models, and of `Model`
generator_arguments  those of the methods for generators
keras_2_layers   arguments and default values of layers in Keras 2 that Keras 3 has changed
optimizers       arguments and default values of optimizers
backend_functions    functions of `keras.backend`, and what replaces them
public_names         all public names by module (keras_1_names, keras_2_names)
star_names           names that `import *` bound besides the public names
backend_arguments arguments of functions of `keras.backend` in Keras 1
data_arguments   old arguments of functions that load and prepare data
file_suffixes    suffixes that select the format of a model
tensorflow_names names and arguments of TensorFlow 1 that scripts use next to Keras

Nothing here imports Keras.
"""
