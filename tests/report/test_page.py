"""The page about a training."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from keras_bigdata.cli.main import main
from keras_bigdata.errors import BigDataError
from keras_bigdata.report import report_page

EPOCH = {
    **{"seconds": 2.0, "wait": 0.25, "limit": "read", "rows": 100, "samples_per_second": 50.0},
    "peak_memory": 3_000_000,
}
RUN = {
    "version": 1,
    "written": 1_700_000_000,
    "data": {"sequence": "ShardSequence('a <b> & c')", "fields": "x"},
    "order": {"seed": 5},
    "model": {"name": "net", "parameters": 7},
    "software": {"keras": "3.15.1"},
    "epochs": [
        {**EPOCH, "epoch": 0, "logs": {"loss": 2.0, "val_loss": 1.0, "input_wait": 0.25}},
        {**EPOCH, "epoch": 1, "logs": {"loss": 1.0, "val_loss": 0.5, "input_wait": 0.25}},
        {**EPOCH, "epoch": 2, "wait": None, "logs": {"loss": 0.5, "val_loss": None}},
    ],
}
VOID = {"meta", "br", "img"}


class Checker(HTMLParser):
    """Checks that elements are closed in order, that ids are unique, and that nothing is loaded."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                assert value.startswith(("#", "data:")), value
        assert tag not in ("script", "link", "iframe")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + "\n"


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
