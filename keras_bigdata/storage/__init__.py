"""Files that are not on this machine: URLs of object stores and of the web, through fsspec.

Each package uses only those above it:

urls       URLs, drivers and their options
requests   one request: time limit, repetition, errors
paths      files and directories behind URLs: `RemotePath`
copies     remote files as local files, as memory, or by ranges
cache      copies in a directory that has a size limit
writing    writes to a store, from one process at a time
"""
