"""Position in the stream -> batch.

batch_loader        the batch at a position: plan, reader, decoder and transform
batch_rows          which rows of which files it has
row_lengths         lengths of rows, from their offsets
corrupt_shards      shards that are skipped, and the rows that replace theirs
transformed_batch   what a transform returns, checked (row_names: rows as text, for its errors)
stage_times         how long each of the stages takes
"""
