"""The temporary directories of uploads: what a killed process left is removed, and nothing else."""

import os
import tempfile
import time

import pytest

from keras_bigdata.storage.writing.upload_directory import remove_upload_leftovers, upload_directory


@pytest.fixture(autouse=True)
def own_temporary_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_it_is_removed_when_the_block_ends(tmp_path):
    def write_and_fail():
        with upload_directory() as folder:
            assert folder.parent == tmp_path
            (folder / "shard-00000.pkl").write_bytes(b"x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_leftovers_are_removed(tmp_path):
    old = time.time() - 3600
    for name in ("keras_bigdata-upload-left", "keras_bigdata-upload-new", "keras_bigdata-other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shard-00000.pkl").write_bytes(b"half")
    (tmp_path / "keras_bigdata-upload-link").symlink_to(tmp_path / "keras_bigdata-other")
    with upload_directory() as used:
        for folder in tmp_path.iterdir():
            if not folder.name.endswith("new"):
                os.utime(folder, (old, old), follow_symlinks=False)
        remove_upload_leftovers()
        names = {folder.name for folder in tmp_path.iterdir()}
    assert names == {
        "keras_bigdata-upload-new",
        "keras_bigdata-other",
        "keras_bigdata-upload-link",
        used.name,
    }
    assert (tmp_path / "keras_bigdata-other" / "shard-00000.pkl").exists()
