"""Which rows of a set are used: by a function, by a split, by groups.

row_split          rows -> two parts, and the labels of rows -> numbers of classes
group_numbers      values of a column -> numbers of groups
row_parts          rows -> any number of parts, with groups kept together
strata             the strata and the groups of rows, by which they are divided into parts
divisible          `Divisible`: splits, folds and random parts of rows
selection          `Selection`: which rows of a set are used, one bit per row
shard_columns      `ShardColumns`: the small columns of one shard as a mapping
selected_columns   columns of some rows of several shards, joined
matching_rows      the rows for which the function of `where` is true
"""
