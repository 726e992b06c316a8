"""Selects rows of a set: by a function, by their numbers, or by a split that keeps groups together.

label_numbers      labels of rows -> numbers
group_numbers      values of a column -> numbers of groups
row_split          rows -> two parts, as the first release splits them
row_parts          rows -> any number of parts, with groups kept together
strata             the numbers of the strata and groups by which rows are divided into parts
divisible          `Divisible`: splits, folds and random parts of rows
selection          `Selection`: which rows of a set are used, one bit per row
shard_columns      `ShardColumns`: the small columns of one shard as a mapping
selected_columns   columns of some rows of several shards, joined
matching_rows      the rows that the function of `where` selects
"""
