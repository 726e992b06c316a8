"""The life of an open local copy of a remote file."""

import os
import threading
import weakref

from keras_bigdata.storage.cache.open_copy import OpenCopy
from keras_bigdata.storage.paths.remote_path import RemotePath


def test_a_weak_reference_never_returns_a_copy_that_is_being_closed(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"a")
    copy = OpenCopy(RemotePath("memory://a"), os.open(tmp_path / "a", os.O_RDONLY))
    reference = weakref.ref(copy)
    found = []
    owner = type(copy._descriptor)
    original = owner.__del__

    def deleted(self, *arguments):
        thread = threading.Thread(target=lambda: found.append(reference()))
        thread.start()
        thread.join()
        original(self, *arguments)

    monkeypatch.setattr(owner, "__del__", deleted)
    del copy
    assert found == [None]
