"""Batches of a `Mixture`: rows of several sets in one batch.

set_loader              loads the rows that one set gives to the batches
mixture_loader          loads the batch at any position of a mixture
mixture_parts           the rows of each set that one of several processes serves
corrupt_shards_of_sets  the corrupt shards of all sets
mixture_server          serves the epochs of a mixture
"""
