"""The part of each batch that one of several processes serves.

part_argument    the argument `part`, or the processes that Keras or Horovod report
batch_parts      `Part`: the rows of a batch that one process serves
part_weights     the weights of rows of a padded batch
part_agreement   whether the processes serve parts of the same batches
"""
