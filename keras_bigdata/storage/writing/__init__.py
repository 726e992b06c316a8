"""Writes to stores, from one process at a time.

writable           which stores can be written to: sets of shards, single files
lease              the right to write below a URL, which one process has at a time
lease_holder       the process that has a lease, and whether it has ended
upload_directory   local directories in which files are written before they are uploaded
private_file       a local file for a transfer, in such a directory
"""
