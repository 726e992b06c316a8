"""The part of each batch that one of several processes serves.

part_argument    the argument `part`, or the part that Keras, JAX or torch determines
batch_parts      `Part`: the rows of a batch that one process serves
part_weights     the weights of rows of a padded batch
part_agreement   whether the processes serve parts of the same batches
"""
