"""Copies of remote files in a directory that has a size limit.

advisory_lock     locks that the system releases when their process ends
cache_entry       the names of the files of a cache, which hold all that identifies their content
cache_account     what lies in a cache, and how many bytes that is
cache_eviction    the order in which the entries of a full cache are removed
cache_sync        marks the entries that no power cut can have emptied
cache_directory   looks up entries, reserves room, publishes and removes files
cached_copy       opens the copy in a cache, which downloads it if it is missing
cache_bytes       checks that a cache has room for what is read at one time
open_copy         opens a local copy of a remote file
"""
