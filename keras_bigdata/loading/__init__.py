"""Shards -> batches, from the rows in the files to the dataset that `fit` takes.

epoch_plan       which rows form batch i of epoch e
row_reader       rows of shards -> arrays (open_files, file_descriptors, preadv, buffer_pool,
                 column_cache)
batch_loader     position in the stream -> batch (corrupt_shards)
prefetch         the next batches are loaded while the model trains (worker_processes,
                 shared_memory)
prefetcher       threads, processes, files and memory of one sequence
epoch_server     batches of epochs (epoch_state)
sequence         `ShardSequence` (roles, class_weights, epoch, tf_dataset)
"""
