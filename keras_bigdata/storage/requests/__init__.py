"""One request to a store: its errors, its repetition, and conditional writes.

driver_errors       what an error of a driver means: no such file, final, or worth another attempt
request             one request: time limit, repetition with back-off, errors with the URL
conditional_write   files that are created only if there is none
file_version        the version of a remote file, as a store reports it
"""
