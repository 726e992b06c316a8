"""Files and directories behind URLs, used like a `pathlib.Path`.

remote_path     `RemotePath`: a file or directory behind a URL, used like a `pathlib.Path`
near_ranges     several ranges of a file; ranges close together are one request
place           a path or URL that a user passes -> `pathlib.Path` or `RemotePath`
joined_places   the root of a set that lies in several places
listed_sizes    sizes of remote files, with one listing for a directory; which files changed
"""
