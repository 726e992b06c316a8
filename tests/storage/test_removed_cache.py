"""A cache whose directory is removed while it is used."""

import shutil

import pytest

from keras_bigdata.storage.cache import uninherited_descriptors
from tests.helpers.remote_files import RemoteFiles, content


@pytest.mark.parametrize("which", range(1, 7))
def test_it_is_made_again_whichever_file_of_it_is_opened_next(which, tmp_path, monkeypatch):
    files = RemoteFiles(monkeypatch, f"removed-{tmp_path.name}", tmp_path / "cache")
    files.put("1.pkl", content(1))
    opened, calls = uninherited_descriptors.open_not_inherited, []

    def open_in_removed_directory(path, *arguments):
        calls.append(path)
        if len(calls) == which:
            shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        return opened(path, *arguments)

    monkeypatch.setattr(uninherited_descriptors, "open_not_inherited", open_in_removed_directory)
    assert files.read("1.pkl") == content(1)
    assert files.read("1.pkl") == content(1)
