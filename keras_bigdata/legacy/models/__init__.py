"""Methods of models as Keras 1 and 2 had them.

generator_methods    `fit_generator`, `evaluate_generator`, `predict_generator` on `keras.Model`
fit_methods          `fit`, `evaluate` and `predict` (fit_arguments: their arguments)
batch_methods        `train_on_batch`, `test_on_batch`, `predict_on_batch`
array_data           arrays in the forms that old releases took
compile_arguments    `compile` (compile_names: old names of losses and metrics)
compiled_losses      `compiled_loss` and `compiled_metrics` in a `train_step`
metric_order         `metrics_names` and the order of results
model_tensors        symbolic inputs and outputs, their names and shapes
functional_arguments `Model(input=, output=)`
removed_methods      `predict_classes`, `to_yaml`, `input_names`
layer_shapes         `layer.output_shape`, `layer.get_output_at`
layer_list           `model.layers.pop()`, `model.get_layer`
symbolic_losses      `model.add_loss(tensor)`
added_metrics        `add_metric` of models and layers
losses_of_tensors    losses and metrics that use symbolic tensors of the model
constant_inputs      `Input(tensor=values)`
symbolic_tensors     `tensor._keras_shape`, `tensor.get_shape()`
model_files          `save` and `load_model` under old file names and formats
saved_operations     operations such as `x != 0` in HDF5 files of models
weights_methods      `save_weights` and `load_weights` under old file names (weights_files)
"""
