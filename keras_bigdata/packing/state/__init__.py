"""The state of an unfinished pack, from which the same call continues.

shard_record       one shard that is written
manifest           which call it is
resume_state       the state in a directory
remote_pack        the state of a pack into a URL
pack_state         one of the two
output_directory   a directory that is written as a whole (remote_output: behind a URL)
cluster_run        what a worker of a cluster checks before it writes
"""
