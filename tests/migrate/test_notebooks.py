"""Jupyter notebooks after `migrate`."""

from __future__ import annotations

import difflib
import json
from typing import Any

import pytest

from keras_bigdata.cli import main
from keras_bigdata.migrate import migrate_notebook

CELLS = [
    "%matplotlib inline\n!pip install keras==2.2 \\\n    six\nimport keras\nimport os\n",
    "%%time\n"
    "model.compile('sgd', 'mse', metrics=['accuracy'])\n"
    "history = model.fit_generator(batches, steps_per_epoch=3,\n"
    "                              epochs=2)",
    "%%bash\nmodel.fit_generator(",
    "model.fit?",
    "files = !ls\nif files:\n    %timeit -n 3 model.predict_generator(g, 3)\n    !ls {files}\n"
    "%time model.evaluate_generator(batches, steps=3);\n?model\n",
    "",
    "text = '''\n%not_magic\n!not a command\n'''\n!ls\nprint(history.history['acc'])",
    "value = await coroutine()\nhistory.history['val_acc'];",
]
NEW_LINES = [
    "from keras_bigdata import legacy\n",
    "history = legacy.fit_generator(model, batches, steps_per_epoch=3,\n",
    "                               epochs=2)",
    "%time legacy.evaluate_generator(model, batches, steps=3);\n",
    "print(history.history['accuracy'])",
    "history.history['val_accuracy'];",
]


def notebook(cells: list[str], *, as_text: bool = False, **metadata: Any) -> dict[str, Any]:
    return {
        "cells": [
            {
                "cell_type": "markdown",
                "metadata": {},
                "source": ["# Größe \U0001f600 `model.fit?`"],
            },
            *(
                {
                    "cell_type": "code",
                    "execution_count": 3,
                    "metadata": {"collapsed": True},
                    "outputs": [{"data": {"text/plain": ["été"], "n": 1.50}, "x": "</b>\u2028"}],
                    "source": cell if as_text else cell.splitlines(keepends=True),
                }
                for cell in cells
            ),
        ],
        "metadata": metadata,
        "nbformat": 4,
        "nbformat_minor": 2,
    }


def changed_lines(before: bytes, after: bytes) -> list[str]:
    """Returns the strings in the new lines of a diff."""
    diff = difflib.unified_diff(
        before.decode().split("\n"), after.decode().split("\n"), n=0, lineterm=""
    )
    new = [line[1:] for line in diff if line.startswith("+") and not line.startswith("+++")]
    return [json.loads(line.strip().removesuffix(",")) for line in new]


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize(
    "form",
    [
        {"indent": 1},
        {"indent": 4, "ensure_ascii": False},
        {"indent": "\t", "separators": (" ,", " : "), "sort_keys": True},
    ],
)
@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
def test_a_diff_shows_changed_lines_only(form, end):
    text = json.dumps(notebook(CELLS), **form)
    before = (text.replace("\n", "\r\n") if end == "\r\n" else text + end).encode()
    after = migrate_notebook(before).content
    assert (
        changed_lines(
            before.replace(b"\r\n", b"\n").replace(b" ,\n", b",\n"),
            after.replace(b"\r\n", b"\n").replace(b" ,\n", b",\n"),
        )
        == NEW_LINES
    )
    assert migrate_notebook(after).content == after


@pytest.mark.parametrize("as_text", [False, True])
def test_one_line_of_json_and_sources_that_are_one_string(as_text):
    before = json.dumps(notebook(CELLS, as_text=as_text)).encode()
    after = json.loads(migrate_notebook(before).content)
    expected = notebook(CELLS, as_text=as_text)
    for number, cell in enumerate(expected["cells"]):
        new = after["cells"][number]
        assert isinstance(new["source"], str) == isinstance(cell["source"], str)
        text = "".join(new["source"])
        for line in NEW_LINES:
            if line in text:
                cell["source"] = new["source"]
    assert after == expected
    assert json.dumps(after).encode() == migrate_notebook(before).content


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_changed_lines_are_escaped_as_the_others(ensure_ascii):
    cell = 'model.fit(x, y, nb_epoch=3)  # für 😀 \\u00fc "x"\t'
    before = json.dumps(notebook(["import keras", cell]), ensure_ascii=ensure_ascii).encode()
    new = before.replace(b"nb_epoch", b"epochs")
    assert migrate_notebook(before).content == new != before


def test_format_3_and_bom():
    cells = [
        {"cell_type": "heading", "level": 1, "source": ["T"]},
        {"cell_type": "code", "language": "python", "input": ["import keras\n", "o.optimizer.lr"]},
        {"cell_type": "code", "language": "ruby", "input": ["o.optimizer.lr"]},
    ]
    book = {
        "metadata": {"name": ""},
        "nbformat": 3,
        "worksheets": [{"cells": cells}, {"cells": []}],
    }
    before = b"\xef\xbb\xbf" + json.dumps(book, indent=1).encode()
    after = migrate_notebook(before).content
    assert after == before.replace(b'lr"', b'learning_rate"', 1)


@pytest.mark.parametrize(
    "metadata",
    [{"kernelspec": {"language": "R"}}, {"language_info": {"name": "julia"}}],
)
def test_other_languages_are_left_alone(metadata):
    before = json.dumps(notebook(CELLS, **metadata)).encode()
    migration = migrate_notebook(before)
    assert migration.content == before
    assert "and is not changed" in migration.notes[0].message


def test_notes_name_the_cell_and_its_line():
    cells = [
        "import keras\n\nmodel.predict_generator(*x)",
        "print 'Python 2'",
        "%%writefile net.py\nimport keras\n",
        "!ls\nmodel.predict_generator(*y)",
        "model.save_weights(path)\nmodel.save(path)",
    ]
    notes = migrate_notebook(json.dumps(notebook(cells)).encode()).notes
    # The first cell is text.
    assert [(note.cell, note.line) for note in notes] == [(2, 3), (3, 1), (4, 1), (5, 2), (6, 1)]
    assert "this is not Python 3: Missing parentheses in call to 'print'" in notes[1].message
    assert "It looks like Python 2 (print). The cell is not changed" in notes[1].message
    assert "this cell writes a file" in notes[2].message
    assert "in line 1 of cell 6, line 2 of cell 6: use two file names" in notes[4].message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "not a notebook of format 2, 3 or 4. Received: nbformat=None"),
        ('{"nbformat": 1}', "nbformat=1"),
        ("[]", "not a notebook of format"),
        ("{", "this is not a notebook: Expecting"),
        ("import keras\n", "this is not a notebook: Expecting value"),
    ],
)
def test_what_is_not_a_notebook(text, message):
    with pytest.raises(ValueError, match="not a notebook") as error:
        migrate_notebook(text.encode())
    assert message in str(error.value)


def test_the_command_takes_notebooks_with_the_modules_that_they_import(tmp_path, capsys):
    (tmp_path / "models.py").write_text("def f(m):\n    m.compile('sgd', metrics=['accuracy'])\n")
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(notebook(["from models import *", "h.history['acc']"]), indent=1))
    path.chmod(0o640)
    assert main(["migrate", "--check", str(tmp_path)]) == 3
    assert main(["migrate", "--write", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: would be changed\n{path}: changed\n"
    assert json.loads(path.read_text())["cells"][2]["source"] == ["h.history['accuracy']"]
    assert path.stat().st_mode & 0o777 == 0o640
    assert main(["migrate", "--check", str(tmp_path)]) == 0
