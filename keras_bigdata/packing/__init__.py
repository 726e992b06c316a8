"""Writes any source of samples as shards. Nothing here imports Keras or a backend.

sources/            the rows: tables, image files, HDF5 files, arrays
source_argument     what `pack` takes, and which function takes the rest
request             a call of `pack`, checked
pack_call           a call against what its directory holds (pack_records)
fingerprint         the identity of a pack (function_fingerprint, function_source, file_changes,
                    release_0_1)
plan                which rows form which shard
row_columns         the metadata columns of the rows: `row`, `file`, and what a source keeps
stored_form         how a field is stored: as arrays, of any length, or encoded
declared_ragged     the fields of any length of a custom source, and their average size
decided_forms       ... decided when packing begins, and recorded
storage_cost        what the forms of images cost (disk_rate, storage_estimate)
store_choice        ... and which one `store="auto"` chooses
samples             row -> sample (augment: ready-made augmentation; warp)
shard_jobs          rows -> one shard, in a worker
parallel            all shards, in several workers
cluster             ... of a cluster (cluster_run: what such a worker checks)
pack_state          the state of an unfinished pack (manifest, shard_record; resume_state: in a
                    directory; remote_pack: behind a URL)
output_directory    a directory that is written as a whole (remote_output: a URL)
append              a source that is added to a packed set (renumbering)
pack                `pack`: all of it together
capture             `capture`: batches of a generator -> shards (batch_source, batch_fields,
                    shard_buffer)
"""
