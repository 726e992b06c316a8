"""The files that `migrate` writes, and those that it cannot."""

from __future__ import annotations

import subprocess
import sys

import pytest

from keras_bigdata.cli import main
from keras_bigdata.migrate import migrate_text
from tests.helpers.legacy_scripts import CATS_AND_DOGS, SCRIPTS


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_bytes(CATS_AND_DOGS.replace("\n", "\r\n").encode())
    path.chmod(0o754)
    return path


def test_the_diff_is_a_patch(script, capfdbinary):
    assert main(["migrate", str(script)]) == 0
    patch = capfdbinary.readouterr().out
    assert patch.startswith(b"--- " + str(script).encode())
    before = script.read_bytes()
    subprocess.run(
        ["patch", "--binary", "-s", str(script)], input=patch, check=True, capture_output=True
    )
    assert script.read_bytes() == migrate_text(before).content


def test_write_keeps_mode_and_line_ends(script, capsys):
    before = script.read_bytes()
    link = script.with_name("link.py")
    link.symlink_to(script)
    assert main(["migrate", "--write", str(link)]) == 0
    assert capsys.readouterr().out == f"{link}: changed\n"
    after = script.read_bytes()
    assert after == migrate_text(before).content != before
    assert after.count(b"\r\n") == after.count(b"\n")
    assert script.stat().st_mode & 0o777 == 0o754
    assert link.is_symlink()
    assert main(["migrate", "--write", str(script)]) == 0
    assert capsys.readouterr().out == ""
    assert script.read_bytes() == after


def test_notes_name_the_lines_of_the_file_as_it_is_then(tmp_path, capsys):
    path = tmp_path / "a.py"
    path.write_bytes(SCRIPTS["cifar"])
    for options in ([], ["--write"]):
        assert main(["migrate", str(path), *options]) == 0
        lines = capsys.readouterr().err.splitlines()
        assert lines
        for line in lines:
            number = int(line.removeprefix(f"{path}:").partition(":")[0])
            assert "decay=1e-6" in path.read_text().splitlines()[number - 1]


def test_a_file_that_fails_does_not_stop_the_others(script, tmp_path, capsys):
    (tmp_path / "old.py").write_text("import keras\nprint 'Python 2'\n")
    (tmp_path / "bad.py").write_bytes(b"x = '\xff'\n")
    (tmp_path / "book.ipynb").write_text("{}")
    paths = [str(tmp_path / name) for name in ("old.py", "bad.py", "none.py", "book.ipynb")]
    assert main(["migrate", "--write", *paths, str(script)]) == 1
    output = capsys.readouterr()
    assert output.out == f"{script}: changed\n"
    lines = output.err.splitlines()
    assert lines[0].startswith(f"{paths[0]}:2: this is not Python 3: Missing parentheses")
    assert lines[1].startswith(f"{paths[1]}:")
    assert lines[2] == f"{paths[2]}: No such file or directory"
    assert "is not a notebook of format 2, 3 or 4" in lines[3]
    assert (tmp_path / "old.py").read_text() == "import keras\nprint 'Python 2'\n"


def test_a_file_that_cannot_be_written_stays_as_it_was(script, monkeypatch, capsys):
    before = script.read_bytes()

    def refuse(self, mode):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.chmod", refuse)
    assert main(["migrate", "--write", str(script)]) == 1
    assert "Operation not permitted" in capsys.readouterr().err
    assert script.read_bytes() == before
    assert [path.name for path in script.parent.iterdir()] == ["train.py"]


def test_without_libcst_it_says_what_to_install(script, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "libcst", None)
    assert main(["migrate", str(script)]) == 1
    assert "Install it with: pip install 'libcst>=1.8'\n" in capsys.readouterr().err


def test_neither_keras_nor_a_backend_is_imported():
    code = (
        "import sys, keras_bigdata.migrate.script_files\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
