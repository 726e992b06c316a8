from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from keras_bigdata.files import TEMPORARY_PREFIX, atomic_path, local_path, remove_leftovers
from keras_bigdata.storage.urls.url import PACKAGES


def test_a_file_appears_whole_under_its_name(tmp_path):
    path = tmp_path / "best.weights.h5"
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(TEMPORARY_PREFIX)
        assert temporary.name.endswith(".weights.h5")
        temporary.write_bytes(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["best.weights.h5"]


def test_a_name_is_accepted_as_a_string_and_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_path("plain") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "plain").read_text() == "x"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "scores"
    path.write_text("old")

    def write():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["scores"]


def test_writing_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="Nothing was written"), atomic_path(tmp_path / "a"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_directory_is_not_replaced(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"), atomic_path(tmp_path / "taken") as temporary:
        temporary.write_text("x")
    assert os.listdir(tmp_path) == ["taken"]


@pytest.mark.skipif(os.name == "nt", reason="links and modes are POSIX")
def test_a_link_stays_a_link_and_modes_are_the_usual_ones(tmp_path):
    (tmp_path / "store").mkdir()
    real = tmp_path / "store" / "real"
    real.write_text("old")
    (tmp_path / "link").symlink_to(real)
    with atomic_path(tmp_path / "link") as temporary:
        assert temporary.parent == real.parent
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert real.read_text() == "new"
    (tmp_path / "usual").write_text("")
    assert stat.S_IMODE(real.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_kill_leaves_the_old_file_and_a_leftover_that_can_be_removed(tmp_path):
    path = tmp_path / "scores"
    path.write_text("old")
    script = textwrap.dedent(
        f"""
        import os, signal
        from keras_bigdata.files import atomic_path
        with atomic_path({str(path)!r}) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert len(os.listdir(tmp_path)) == 2

    keep = tmp_path / f"{TEMPORARY_PREFIX}00000000-other-scores"
    keep.write_text("of another file")
    remove_leftovers(path)
    assert sorted(os.listdir(tmp_path)) == sorted([keep.name, "scores"])


def test_this_module_imports_neither_keras_nor_numpy():
    script = "import sys, keras_bigdata.files; assert not {'keras', 'numpy'} & set(sys.modules)"
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", script], cwd=root, check=True)


@pytest.mark.parametrize("scheme", PACKAGES)
def test_a_url_without_slashes_is_not_a_directory_of_its_name(scheme):
    with pytest.raises(ValueError, match="must be a path"):
        local_path(f"{scheme}:bucket/train", "directory")
    assert local_path(f"./{scheme}:bucket/train", "directory") == Path(f"{scheme}:bucket/train")


def test_a_url_is_not_a_path():
    assert local_path("shards/train", "directory") == Path("shards/train")
    assert local_path(Path("C:/train"), "directory") == Path("C:/train")
    with pytest.raises(ValueError, match="`directory` must be a path on this machine"):
        local_path("s3://bucket/train", "directory")
