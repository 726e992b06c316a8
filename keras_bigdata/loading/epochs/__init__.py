"""Serves epochs of batches, as the dataset that `fit` takes.

epoch_server     serves the batches of epochs
epoch_state      which epoch is served, and which of its batches were requested
epoch_warnings   warnings about requests (part_warnings: with several processes)
server_state     the `state_dict` of a server
model_outputs    checks that a model has an output for each class
static_shapes    lengths that TensorFlow must not take as constant
epoch_dataset    the `PyDataset` that a server serves (describe: as text)
epoch            `Epoch`: one epoch in a loop
tf_dataset       the same batches as a `tf.data.Dataset` (dataset_origin: finds its sequence)
deliveries       when batches are requested and delivered
open_servers     all servers of this process
"""
