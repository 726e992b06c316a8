"""Shards -> batches, from the rows in the files to the dataset that `fit` takes.

epoch_plan       which rows form batch i of epoch e (spawn_keys)
balance          the same, with all classes drawn evenly (class_rows)
bucket_plan      the same, with rows of similar length in one batch (make_plans)
row_reader       rows of shards -> arrays (open_files, file_descriptors, preadv, copy_into,
                 buffer_pool, column_cache, unreadable_shard)
varlen_reader    rows of varying size -> their bytes (varlen_rows, row_lengths)
row_decoder      their bytes -> arrays: images decoded, numbers padded (decode_options, row_draws,
                 ragged_batch)
selected_rows    rows that the plan counts -> rows in the files
coming_shards    the shards that the next batches need, in the order of their use
planned_fetch    fetches remote shards in that order, and holds those in use (shared_downloads,
                 next_use, remote_room)
ranged_reader    the rows of the first batch of remote shards -> arrays, before the shards arrive
batch_loader     position in the stream -> batch (remote_rows, corrupt_shards, transformed_batch,
                 row_names)
batch_rows       position in the stream -> the rows in the files that are served
batch_parts      the rows of each batch that one of several processes serves (part_argument,
                 part_weights, part_warnings, part_agreement)
batch_provider   loads batches in threads (worker_threads) or processes (worker_processes,
                 loky_pool, shared_memory)
batch_prefetch   the next batches are loaded while the model trains (slow_requests)
run_prefetch     the next runs are loaded: batches that are read together, as they share files
prefetcher       threads, processes, files and memory of one sequence (open_prefetches)
class_forms      the classes in an array of targets: class numbers or columns
class_weights    balanced weights of the classes (class_sample_weights)
epoch_server     batches of epochs (epoch_state, epoch_warnings, model_outputs, trained_classes,
                 server_state, static_shapes)
describe         a sequence as text
stage_times      how long each stage of loading takes
deliveries       when batches are requested and delivered
open_servers     all servers of the process
epoch_dataset    the `PyDataset` that a server serves (epoch, tf_dataset, dataset_origin)
predict_rows     `predict_rows`: outputs next to the rows that they belong to
sequence         `ShardSequence` (open_with_roles)
proportions      how many rows of each set a batch of a mixture holds
mixture_loader   position in the stream of a mixture -> batch (set_loader, corrupt_shards_of_sets,
                 mixture_parts)
mixture          `Mixture` (mixture_server)
"""
