"""Shards on disk: their pickles, their index, and how both are written and opened.

The files, each of which uses only those above it:

| file | idea |
| --- | --- |
| `pickles/` | finds and reads the arrays in a pickle without running it |
| `roles` | which fields are inputs, targets and sample weights |
| `standard_fields` | the names that sources give to fields |
| `entries` | the entries of an index: `Field`, `ShardInfo` |
| `shard_names` | the names of packed shards: number and variant |
| `unfinished` | what marks a directory whose writer has not finished |
| `varlen` | rows of any length in a file: values and offsets |
| `ragged` | `Ragged`: the same in memory |
| `metadata_columns` | what describes a row and is never an input: `row`, `file` |
| `index_json` | checks of the values in `index.json` |
| `index_columns` | its columns: lists, or runs of equal values and numbered names |
| `index_checks` | checks that its columns agree, and fit the files |
| `missing_index` | the error for a URL without an index |
| `index_file` | reads and writes the file: format, version, errors |
| `index` | `ShardIndex`: the index of a set of shards |
| `read_ahead` | reads columns of coming shards of a remote set ahead |
| `class_counts` | number of rows of each class |
| `different_classes` | how two sets differ in what class i or word i is |
| `field_values` | values of any kind -> the array of a field, or why not |
| `field_rows` | the same for rows that may differ in length: `Ragged` |
| `aligned_pickle` | the stream into which a shard is pickled, which aligns large arrays |
| `shard_file` | writes one shard: `write_shard` |
| `writing_mark` | what marks a directory while it is written, and keeps others away |
| `writer` | writes shards and their index from a loop: `ShardWriter` |
| `readable_shard` | a shard as a local file, wherever it lies |
| `read_column` | reads one field or metadata column of one shard |
| `removed_shards` | shards that a repair removed from the index, which records them |
| `pickle_files` | finds what a directory holds: an index, or pickles by their names |
| `layout` | the layout of one pickle: dtype, shape and place of each array |
| `found_fields` | what can be a field in one pickle without an index |
| `one_set` | whether pickles without an index can only be read as the rows of one set |
| `join` | several directories of shards -> the index of one set |
| `scan` | opens a set of shards: by its index, or by inspecting pickles that have none |
| `row_split` | rows -> two parts, and the labels of rows -> numbers of classes |
| `group_numbers` | values of a column -> numbers of groups |
| `row_parts` | rows -> any number of parts, with groups kept together |
| `strata` | the strata and the groups of rows, by which they are divided into parts |
| `divisible` | `Divisible`: splits, folds and random parts of rows |
| `selection` | `Selection`: which rows of a set are used, one bit per row |
| `shard_columns` | `ShardColumns`: the small columns of one shard as a mapping |
| `selected_columns` | columns of some rows of several shards, joined |
| `matching_rows` | the rows for which the function of `where` is true |
| `remote_index` | the options with which the files of a remote set are read |
| `still_current` | whether a remote set is still the one of the index, after parts were read |
| `shards` | `Shards`: a set of shards and the rows of it that are used |
"""
