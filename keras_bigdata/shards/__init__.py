"""Files: where arrays lie inside pickles, the index of a set of shards, scanning and writing."""
