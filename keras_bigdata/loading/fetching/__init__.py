"""Fetches remote shards in the order in which the plan needs them.

coming_shards      the shards that the next batches need
planned_fetch      fetches them in that order, and holds those in use
shared_downloads   one download of a shard at a time, whatever needs it
next_use           how soon a shard in a cache is needed, so that the right ones are evicted
"""
