"""Copies of remote files in a directory that has a size limit.

uninherited_descriptors   descriptors of locked files that forked children do not inherit
cache_entry               names of the entries, which hold all that identifies their content
cache_account             the entries of a cache, and their size in bytes
cache_eviction            the order in which the entries of a full cache are removed
cache_sync                writes entries to the disk, and marks them
cache_directory           looks up entries, reserves room, publishes and removes files
cached_copy               opens the copy in a cache; downloads the file if it is missing
cache_bytes               checks that a cache has room for what is read at one time
open_copy                 opens a local copy of a remote file
"""
