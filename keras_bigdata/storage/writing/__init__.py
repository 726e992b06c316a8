"""What is written to a store, by one process at a time.

writable           which stores can be written to: sets of shards, single files
lease              the right to write below a URL, which one process has at a time
lease_holder       ... and the process that has it
upload_directory   local directories in which files are written before they are uploaded
private_file       a local file for a transfer, in such a directory
"""
