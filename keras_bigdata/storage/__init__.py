"""Files that are not on this machine: URLs of object stores and of the web, through fsspec.

The files, each of which uses only those above it:

| file | idea |
| --- | --- |
| `url` | checks a URL, and names the package that its scheme needs |
| `storage_options` | the options of a driver, whose values are never printed |
| `filesystem` | the driver of a scheme, one per process and set of options |
| `request` | one request: time limit, repetition with back-off, errors with the URL |
| `remote_path` | `RemotePath`: a file or directory behind a URL, used like a `pathlib.Path` |
| `place` | a path or URL that a user passes -> `pathlib.Path` or `RemotePath` |
| `joined_places` | the root of a set that lies in several places |
| `fetch` | copies a whole file into an open local one: in parallel, checked |
| `memory_file` | files that lie in memory and vanish when they are closed |
| `open_copy` | opens a local copy of a remote file |
| `listed_sizes` | sizes of remote files, with one listing for all of a directory |
"""
