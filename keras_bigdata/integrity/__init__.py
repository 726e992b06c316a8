"""Finds faults of sets of shards, and repairs them where that is possible.

The files, each of which uses only those above it:

| file | idea |
| --- | --- |
| `row_names` | names rows by the file or the row of the source that they come from |
| `report` | the results: `Fault`, `Report`, `Repair` |
| `image_rows` | checks the headers of encoded images |
| `check_shard` | compares one file with its entry in the index |
| `set_files` | the files in the directory of a set, listed once |
| `check_index` | checks the names and the class counts of an index as a whole |
| `check_pickles` | compares pickles without an index with each other |
| `duplicates` | finds rows that two sets share |
| `compare_sets` | rows that are in two sets, and classes that they number differently |
| `verify` | all checks of a set: `verify` |
| `rebuild_varlen` | finds how rows of varying size are stored, whose index is lost |
| `rebuild_columns` | finds the metadata columns of shards whose index is lost |
| `rebuild_index` | creates a lost index from the shards |
| `copied_set` | creates a lost index from shards of a store |
| `quarantine` | moves files aside that are no longer used |
| `repack` | packs shards again from their source |
| `repair` | plans and carries out a repair: `repair` |

This package imports neither Keras nor a backend.
"""
