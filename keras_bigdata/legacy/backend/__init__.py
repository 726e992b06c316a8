"""`keras.backend` of Keras 1 and 2: `from keras import backend as K`.

On TensorFlow, functions that `tf.keras.backend` still has are used, because they return the same
numbers as before. For other backends, and for symbolic tensors such as `layer.output`, the
functions are written with `keras.ops`.

installation      `install()`: adds the functions to `keras.backend` and `tf.keras.backend`
dispatch          chooses between TensorFlow's function and the one with `keras.ops`
arithmetic        functions of each element, and comparisons
reductions        sums, means and products of tensors
arrays            shapes, joining, padding, indexing
symbolic_shapes   the shape of a symbolic tensor
networks          activations, convolutions, pooling, crossentropies
variables         variables, their values and updates
old_arguments     the arguments of Keras 1
variable_operators  operators between variables and symbolic tensors
random_numbers    random tensors and dropout
control_flow      `switch`, `in_train_phase`, loops
learning_phase    `learning_phase`, `set_learning_phase`
functions         `function`, `placeholder`
running_layers    the layer that is being called
training_updates  `optimizer.get_updates`
gradients         `gradients` of symbolic tensors
sessions          sessions and graphs of TensorFlow 1, which only apply their settings
image_format      `image_dim_ordering` of Keras 1
"""
