"""Loads batches from shards: from rows in files to the dataset that `fit` takes.

The packages stand in the order of the steps that produce a batch; each uses only those above it:

order         which rows form batch i of epoch e
parts         the rows of a batch that one of several processes serves
fetching      remote shards, fetched in that order
rows          rows in files -> arrays
batches       position in the stream -> batch
classes       classes of the targets: their rows and their weights
prefetching   batches, loaded while the model trains
epochs        epochs of batches, as the dataset that `fit` takes
mixtures      the same for several sets

On top of them are the public names: sequence (`ShardSequence`; open_with_roles), mixture
(`Mixture`) and predict_rows (`predict_rows`: outputs next to the rows that they belong to).
"""
