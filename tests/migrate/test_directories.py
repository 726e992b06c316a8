"""`migrate` on directories, on unusual files, and its exit status."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from keras_bigdata.cli import main
from keras_bigdata.migrate import migrate_text
from keras_bigdata.migrate.script_files import migrate_files
from tests.helpers.legacy_scripts import SCRIPTS

OLD = b"import keras\no = keras.optimizers.SGD(lr=1)\n"
NEW = OLD.replace(b"lr", b"learning_rate")
DONE = b"import os\n"


def test_a_directory_is_searched_for_scripts_of_the_user(tmp_path, capsys, monkeypatch):
    skipped = (
        ".git",
        ".venv",
        "my env",
        "node_modules",
        "x/site-packages",
        "x/__pycache__",
        "conda",
    )
    for name in ("z.py", "a.py", "sub/b.py", "sub/b.pyw", "text.txt", ".hidden.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(OLD)
    for name in skipped:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.py").write_bytes(OLD)
    (tmp_path / "my env" / "pyvenv.cfg").touch()
    (tmp_path / "conda" / "conda-meta").mkdir()
    (tmp_path / "link.py").symlink_to("a.py")
    (tmp_path / "broken.py").symlink_to("nothing.py")
    (tmp_path / "directory.py").mkdir()
    (tmp_path / "again").symlink_to(".", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    assert main(["migrate", "--check", "."]) == 3
    assert capsys.readouterr().out == "".join(
        f"{name}: would be changed\n" for name in ("a.py", "z.py", "sub/b.py")
    )
    # What is named is taken, whatever it is called; and once.
    assert main(["migrate", "--write", "text.txt", ".hidden.py", "./a.py", ".", "a.py"]) == 0
    assert capsys.readouterr().out == "".join(
        f"{name}: changed\n" for name in ("text.txt", ".hidden.py", "./a.py", "z.py", "sub/b.py")
    )
    assert (tmp_path / "link.py").is_symlink()
    assert main(["migrate", "--check", ".", "text.txt"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_directory_without_scripts_is_an_error(tmp_path, capsys):
    assert main(["migrate", str(tmp_path)]) == 1
    assert "contains no .py and no .ipynb file" in capsys.readouterr().err


def test_check_and_diff_and_write(tmp_path, capsys):
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    (tmp_path / "b.py").write_bytes(DONE)
    assert main(["migrate", "--check", "--diff", str(tmp_path)]) == 3
    diff = capsys.readouterr().out
    assert diff.startswith(f"--- {path}\n+++ {path}\n@@")
    assert path.read_bytes() == OLD
    (tmp_path / "c.py").write_text("print 1\n")
    assert main(["migrate", "--check", str(tmp_path)]) == 1
    (tmp_path / "c.py").unlink()
    capsys.readouterr()
    assert main(["migrate", "--write", "--diff", str(tmp_path)]) == 0
    assert capsys.readouterr().out == diff
    assert path.read_bytes() == NEW
    assert main(["migrate", "--check", str(tmp_path)]) == 0
    with pytest.raises(SystemExit) as exit_status:
        main(["migrate", "--check", "--write", str(tmp_path)])
    assert exit_status.value.code == 2


@pytest.mark.slow
def test_all_scripts_twice(tmp_path):
    for name, content in SCRIPTS.items():
        (tmp_path / f"{name}.py").write_bytes(content)
    assert migrate_files([tmp_path], write=True).num_changed > 5
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert migrate_files([tmp_path], write=True).num_changed == 0
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_diff_of_several_files_is_a_patch(tmp_path, monkeypatch, capfdbinary):
    contents = {
        "a.py": OLD,
        "with space.py": OLD.removesuffix(b"\n"),
        "sub/crlf.py": OLD.replace(b"\n", b"\r\n"),
        "sub/bom.py": b"\xef\xbb\xbf" + OLD,
        "sub/latin.py": b"# coding: latin-1\ns = '\xfc\x85'\n" + OLD,
        "sub/unicode.py": "s = 'ü\u2028\x85'\n".encode() + OLD,
    }
    (tmp_path / "sub").mkdir()
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert main(["migrate", "."]) == 0
    patch = capfdbinary.readouterr().out
    subprocess.run(["patch", "-p0", "--binary", "-s"], input=patch, check=True, cwd=tmp_path)
    for name, content in contents.items():
        assert (tmp_path / name).read_bytes() == content.replace(b"lr=", b"learning_rate=")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"# no newline",
        b"\xef\xbb\xbfx = 1\r\n",
        b"# -*- coding: latin-1 -*-\nx = '\xe9'",
        b"if x:\n\ty = 1\n        \n\t# end\n",
        b"x = 1\r\ny = 2\nz = '''\r'''\r\n",
        b"#!/usr/bin/env python\nfor i in x : pass ;\\\n\n",
    ],
)
def test_nothing_to_change_means_the_same_bytes(content):
    assert migrate_text(content).content == content


def test_a_read_only_file_is_not_replaced(tmp_path, capsys):
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    path.chmod(0o444)
    (tmp_path / "b.py").write_bytes(OLD)
    assert main(["migrate", "--write", str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert output.err == f"{path}: it is read-only, and was not changed\n"
    assert output.out == f"{tmp_path / 'b.py'}: changed\n"
    assert path.read_bytes() == OLD


def test_a_file_that_another_process_changes_meanwhile_is_not_replaced(
    tmp_path, capsys, monkeypatch
):
    path = tmp_path / "a.py"
    path.write_bytes(OLD)
    write_bytes = Path.write_bytes

    def write(self, content):
        with path.open("ab") as file:
            file.write(b"# saved by an editor\n")
        return write_bytes(self, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    assert main(["migrate", "--write", str(path)]) == 1
    assert "another process has changed the file since it was read" in capsys.readouterr().err
    assert path.read_bytes() == OLD + b"# saved by an editor\n"
    assert os.listdir(tmp_path) == ["a.py"]


def test_what_is_not_a_regular_file(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "a.py").write_bytes(OLD)
    assert main(["migrate", "--check", str(tmp_path / "pipe.py"), str(tmp_path / "a.py")]) == 1
    assert "it is a named pipe, not a regular file" in capsys.readouterr().err


@pytest.mark.slow
def test_deeply_nested_and_long_files(tmp_path, capsys):
    deep = tmp_path / "deep.py"
    deep.write_bytes(OLD + b"x = " + b"-" * 3000 + b"1\n")
    assert main(["migrate", str(deep)]) == 1
    assert "nested too deeply" in capsys.readouterr().err


@pytest.mark.slow
def test_hundreds_of_equal_notes_are_one():
    calls = "".join(f"y{n} = m.predict_generator(*args)\n" for n in range(200))
    (note,) = migrate_text(calls.encode()).notes
    assert note.line == 1
    assert note.message.startswith("predict_generator: arguments are passed from a list")
    assert note.message.endswith("The same in lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 189 more.")
