"""The checks that a worker of a cluster makes before it writes: versions, files, the target."""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
import os
import secrets
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from keras_bigdata import __version__
from keras_bigdata.errors import PackError
from keras_bigdata.files import is_url
from keras_bigdata.packing.state.local_pack import read_run, write_run
from keras_bigdata.packing.state.pack_state import PackTarget

# Network file systems show a new file to other machines after some seconds. 30 is the default of
# the directory cache of NFS (acdirmin).
_VISIBLE_SECONDS = 30.0

# The packages on which the bytes of a shard depend.
_PACKAGES = ("keras_bigdata", "numpy", "pillow", "simplejpeg", "scikit-image")

# Number of files of a source that are tried to find one that exists.
_PROBED_FILES = 10


@dataclass(frozen=True, slots=True)
class ClusterRun:
    """One call of `pack` whose shards are written by a cluster.

    Args:
        token: random text that is in the directory while the call runs. A worker writes only where
            it finds it: tasks of a call that was stopped may still be running when another call
            packs there.
        versions: package -> version on the machine that packs.
        file: a file of the source that exists on the machine that packs; `None` if there is none.
    """

    token: str
    versions: dict[str, str | None]
    file: str | None

    @classmethod
    def begin(cls, directory: PackTarget, files: Iterable[str]) -> ClusterRun:
        """Starts a run.

        Args:
            directory: where the shards are written.
            files: the files of the source.
        """
        run = cls(secrets.token_hex(8), installed_versions(), _existing_file(files))
        if isinstance(directory, Path):  # the lease of a URL does the same
            write_run(directory, run.token)
        return run

    def check(self, directory: PackTarget) -> PackError | None:
        """Returns why this worker cannot write; `None` if it can."""
        ours = installed_versions()
        for package, version in self.versions.items():
            if ours[package] != version:
                return PackError(
                    f"{directory}: worker {_describe_worker()} has {package} "
                    f"{ours[package] or '(not installed)'}, and the machine that packs has "
                    f"{version or 'none'}. The shards would differ. Install the same version."
                )
        if isinstance(directory, Path) and not _is_visible(directory):
            return PackError(
                f"{directory}: worker {_describe_worker()} does not see this directory of the "
                "machine that packs. Pass a directory on a disk that all workers share, under the "
                "same path, or the URL of an object store"
            )
        if self.file is not None and not os.path.exists(self.file):
            return PackError(
                f"{directory}: worker {_describe_worker()} does not see {self.file}, which the "
                "source reads. The files must be on every worker under the same path. A relative "
                f"path is looked up in the directory in which the worker runs, {os.getcwd()}: "
                "create the source with absolute paths"
            )
        return None

    def is_current(self, directory: PackTarget) -> bool:
        """Returns whether no other call has begun to pack there."""
        return not isinstance(directory, Path) or read_run(directory) == self.token


def _is_visible(directory: Path) -> bool:
    """Waits for the files of the machine that packs. Returns whether this worker sees them."""
    end = time.monotonic() + _VISIBLE_SECONDS
    while (found := read_run(directory)) is None and time.monotonic() < end:
        time.sleep(0.5)
    return found is not None


@functools.cache
def installed_versions() -> dict[str, str | None]:
    """Returns the versions of the packages on which the bytes of a shard depend."""
    return {package: _version(package) for package in _PACKAGES}


def _version(package: str) -> str | None:
    if package == "keras_bigdata":
        return __version__  # also of a checkout that is not installed
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _existing_file(files: Iterable[str]) -> str | None:
    local = (file for file in files if not is_url(str(file)))
    return next(filter(os.path.exists, itertools.islice(local, _PROBED_FILES)), None)


def _describe_worker() -> str:
    return f"{socket.gethostname()} (process {os.getpid()})"
