"""Files of Python 2: what is said about them."""

from __future__ import annotations

import pytest

from keras_bigdata.cli import main


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("print 'x'", "print"),
        ("if x: print 'a %d' % 3, 4", "print"),
        ("print >>f, 'x'", "print"),
        ("if x: print ('a %d') % 3", "print"),
        ("try:\n    pass\nexcept IOError, e:\n    pass", "except Error, name"),
        ("exec 'x = 1'", "exec"),
        ("raise ValueError, 'bad'", "raise Error, value"),
        ("x = `3`", "backticks"),
        ("if a <> b: pass", "<>"),
        ("os.chmod(p, 0755)", "an octal number such as 0777"),
        ("n = 10L", "a long number such as 10L"),
        ("s = ur'x'", "a ur'' string"),
        ("if 1:\n\tif 2:\n\t\tx = 1\n        y = 2", "tabs mixed with spaces"),
    ],
)
def test_it_is_named_with_the_commands_that_convert_it(tmp_path, monkeypatch, capsys, line, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "the net.py").write_text(f"import keras\n{line}\n")
    (tmp_path / "z.py").write_text("import keras\no = keras.optimizers.SGD(lr=1)\n")
    assert main(["migrate", "--write", "the net.py", "z.py"]) == 1
    output = capsys.readouterr()
    assert output.out == "z.py: changed\n"
    number = {"except Error, name": 4, "tabs mixed with spaces": 5}.get(name, 2)
    assert output.err.startswith(f"the net.py:{number}: this is not Python 3: ")
    assert output.err.endswith(
        f"It looks like Python 2 ({name}). Convert the file first and run migrate again: "
        "`2to3 -w -n 'the net.py'`, or with Python 3.13 and later, which have no 2to3: "
        "`pip install fissix` and `python -m fissix -w -n 'the net.py'`.\n"
    )


def test_other_errors_do_not_look_like_python_2(tmp_path, capsys):
    path = tmp_path / "a.py"
    path.write_text("import keras\nx = (1,\n")
    assert main(["migrate", str(path)]) == 1
    assert capsys.readouterr().err.count("Python") == 1
