"""Writes any source of samples as shards. Nothing here imports Keras or a backend.

Each package uses only those above it:

samples      row of a source -> sample
forms        how fields are stored, and what that costs
sources      the rows: tables, image files, HDF5 files, arrays
identity     whether two calls write the same bytes
state        the state of an unfinished pack
calls        a call, and whether it is done already
planning     which rows form which shard
workers      writes the shards
capturing    batches of a generator -> shards

On top of them, what users call: pack (`pack`), append (a source that is added to a packed set),
capture (`capture`), augment (ready-made augmentation) and storage_estimate (what the forms of
stored images would cost).
"""
