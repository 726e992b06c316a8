"""The page about a training."""

from __future__ import annotations

import json
import re

import pytest

from keras_bigdata.cli.main import main
from keras_bigdata.errors import BigDataError
from keras_bigdata.report import report_page
from tests.helpers.html_checker import Checker
from tests.report.small_run import RUN


def write(directory, run):
    (directory / "run.json").write_text(json.dumps(run))
    return directory


def test_the_page_is_complete_and_loads_nothing(tmp_path, capsys):
    write(tmp_path, RUN)
    assert main(["report", str(tmp_path)]) == 0
    output = tmp_path / "report.html"
    assert capsys.readouterr().out == f"{output}\n"
    page = output.read_text()
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert "ShardSequence('a <b> & c')" in checker.text
    assert page.count("<svg ") == page.count('role="img"') == 2
    # The best epoch, and a score that is missing.
    assert re.search(r'<tr class="best"><td class="number">2</td>', page)
    assert "unknown" in checker.text
    assert "val_loss, epoch 2\n0.5\n" in checker.text
    assert "waited for data\n25%" in checker.text
    # Lines follow the colours of the page, also in the dark.
    assert "#000000" not in page


def test_a_training_without_an_epoch_has_a_page(tmp_path):
    assert "No epoch has ended yet" in report_page(write(tmp_path, {**RUN, "epochs": []}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "It is written by InputReport"),
        ("{", "is not the record of a training"),
        ("[]", "is not the record of a training"),
        ('{"version": 1, "epochs": [3]}', "is not the record of a training"),
        ('{"version": 9}', "written by a newer keras_bigdata"),
    ],
)
def test_other_files_are_refused(tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(BigDataError, match=message):
        report_page(tmp_path)
    assert main(["report", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err
