"""Loads the batch at any position of the stream.

batch_loader        loads a batch with the plan, the reader, the decoder and the transform
make_plans          the order of the rows for the options of a sequence
batch_rows          which rows of which files a batch has
remote_rows         the remote part of a loader (remote_room: how many bytes it may hold)
row_lengths         lengths of rows, from their offsets
corrupt_shards      shards that are skipped, and the rows that replace theirs
transformed_batch   what a transform returns, checked; rows as text, for its errors
stage_times         how long each of the stages takes
"""
