"""Remote files as local files, as memory, or by the ranges that are read.

positioned_file   base class of read-only file objects: keeps the position
memory            memory that holds the content of a file
fetch             copies a whole file into an open local one, or into memory: in parallel, checked
transfer          copies files from a store, lists them, checks whether one can be written
ranged_file       a remote file as a file object that requests only what is read
small_files       reads or removes many small files at the same time
"""
