"""Computes which rows form batch i of epoch e, in which order: pure functions of the arguments.

spawn_keys      random streams of one seed that are never used twice
epoch_plan      rows in windows of shards, or in a global order
balanced_plan   the same, with all classes drawn evenly (class_rows: the rows of each class)
bucket_plan     the same, with rows of similar length in one batch
selected_rows   rows that the plan counts -> rows in the files
proportions     how many rows of each set a batch of a mixture holds
"""
