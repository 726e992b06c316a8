"""Making sure that a disk has room for an HDF5 file before HDF5 finds out that it has not.

When a write fails, HDF5 fails again at closing the file and the interpreter may crash: with h5py 3
on a full tmpfs it ends in a segmentation fault. So the room is asked for by plain calls before.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path


def reserve(path: Path, size: int) -> None:
    """Makes a file of that size, which its writer then replaces.

    Args:
        path: a file that does not exist.
        size: bytes that are needed.

    Raises:
        OSError: if there is no room (the disk's, or that of a quota or limit).
    """
    with open(path, "xb") as file:
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                    raise
            else:
                return
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {free} of {size} bytes are free")
