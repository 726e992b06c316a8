"""Writes any source of samples as shards. Nothing here imports Keras or a backend.

Each package uses only those above it:

samples      rows of a source as samples: dicts of checked and augmented arrays
forms        how fields are stored, and what that costs
sources      the sources: tables, image files, HDF5 files, arrays
identity     whether two calls write the same bytes
state        the state of an unfinished pack
calls        a call of `pack`, and whether it is done already
planning     which rows form which shard
workers      writes the shards in parallel
capturing    batches of a generator -> shards

On top of them:

pack               `pack`
append             adds a source to a packed set
capture            `capture`
storage_estimate   estimates what the forms of stored images cost

augment (`Augment`, ready-made augmentation) uses samples only, and is used by identity.
"""
