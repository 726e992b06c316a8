"""Uses of private names of Keras and TensorFlow, each in one function or class.

Each docstring says what is found, the versions in which it was seen, the upstream issue, and what
is lost if the name disappears. `tests/keras_internals/` fails first if a release changes one of
them. No other file of the package uses a private name of Keras.

fit             facts about a running `fit` that a dataset does not receive
tf_data         how a `tf.data.Dataset` was made from others
iterator_guard  TensorFlow's iterator of a stopped `fit`
callbacks       what callbacks need from a running `fit`, its model and other callbacks
output_losses   the losses of several outputs, averaged over rows
layers          all layers of a model, also those that other layers hold
padded_loss     whether the losses of a model stay the same if a batch is padded
distribution    which part of each batch a process trains on, and what Keras would divide
processes       data that the processes that train one model exchange
legacy          functions that scripts for Keras 1 and 2 used
"""
