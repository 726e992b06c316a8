"""The state of an unfinished pack, from which the same call continues.

shard_record       the record of one shard that is written
manifest           the manifest: which call an unfinished pack belongs to
local_pack         the state of a pack into a directory
remote_pack        the state of a pack into a URL
pack_state         the state of a pack into a directory or URL: calls one of these two
output_directory   a set of shards that is written as a whole, for `capture`
remote_output      the same behind a URL
cluster_run        the checks that a worker of a cluster makes before it writes
"""
