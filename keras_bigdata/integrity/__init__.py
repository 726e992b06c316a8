"""Finds faults of sets of shards, and repairs them where that is possible.

The files, each of which uses only those above it:

| file | idea |
| --- | --- |
| `row_names` | names rows by the file or the row of the source that they come from |
| `report` | the results: `Fault`, `Report`, `Repair` |
| `image_rows` | checks the headers of encoded images |
| `check_shard` | compares one file with its entry in the index |
| `set_files` | the files in the directory of a set, listed once |
| `check_index` | checks an index as a whole: its names and class counts |
| `check_pickles` | compares pickles without an index with each other |
| `duplicates` | finds rows that two sets share |
| `compare_sets` | reports rows that are in two sets, and classes that they number differently |
| `verify` | all checks of a set: `verify` |
| `rebuild_varlen` | finds what rows of varying size are, without an index |
| `rebuild_columns` | finds the metadata columns of shards, without an index |
| `rebuild_index` | creates a lost index from the shards |
| `rebuild_remote_index` | creates a lost index from the shards of a store |
| `quarantine` | moves files aside that are no longer used |
| `repack` | packs shards again from their source |
| `repair` | plans and carries out a repair: `repair` |

This package imports neither Keras nor a backend.
"""
