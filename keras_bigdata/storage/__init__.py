"""Files that are not on this machine: URLs of object stores and of the web, through fsspec.

The files, each of which uses only those above it:

| file | idea |
| --- | --- |
| `url` | checks a URL, and names the package that its scheme needs |
| `storage_options` | the options of a driver, whose values are never printed |
| `filesystem` | the driver of a scheme, one per process and set of options |
| `driver_errors` | what an error of a driver means: no such file, final, or worth another attempt |
| `request` | one request: time limit, repetition with back-off, errors with the URL |
| `conditional_write` | files that are created only if there is none |
| `file_version` | the version of a remote file, as a store reports it |
| `remote_path` | `RemotePath`: a file or directory behind a URL, used like a `pathlib.Path` |
| `near_ranges` | several ranges of a file; those close together are one request |
| `place` | a path or URL that a user passes -> `pathlib.Path` or `RemotePath` |
| `joined_places` | the root of a set that lies in several places |
| `positioned_file` | the position in a file object that is read only |
| `memory` | memory that holds the content of a file |
| `fetch` | copies a whole file into an open local one, or into memory: in parallel, checked |
| `advisory_lock` | locks that the system releases when their process ends |
| `cache_entry` | the names of the files of a cache, which hold all that identifies their content |
| `cache_account` | what lies in a cache, and how many bytes that is |
| `cache_eviction` | the order in which the entries of a full cache are removed |
| `cache_sync` | marks the entries that no power cut can have emptied |
| `cache_directory` | looks up entries, reserves room, publishes and removes files |
| `cached_copy` | opens the copy in a cache, which downloads it if it is missing |
| `cache_bytes` | checks that a cache has room for what is read at one time |
| `open_copy` | opens a local copy of a remote file |
| `transfer` | copies files from a store, lists them, tries whether one can be written |
| `ranged_file` | a remote file as a file object that requests only what is read |
| `writable` | which stores can be written to: sets of shards, single files |
| `lease` | the right to write below a URL, which one process has at a time |
| `lease_holder` | ... and the process that has it |
| `upload_directory` | local directories in which files are written before they are uploaded |
| `private_file` | a local file for a transfer, in such a directory |
| `many_files` | reads or removes many small files at the same time |
| `listed_sizes` | sizes of remote files, with one listing for all of a directory; which changed |
"""
