"""Pages in a headless browser: errors, overflow on a phone, contrast."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keras_bigdata import Arrays, pack
from keras_bigdata.report import contact_sheet_page, report_page
from tests.helpers.browser import BROWSER, examine_page
from tests.report.small_run import RUN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs chromium"),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pages")
    run = {**RUN, "data": {"sequence": "ShardSequence('/data/" + "long_name/" * 30 + "')"}}
    (directory / "run.json").write_text(json.dumps(run))
    pack(
        Arrays(
            images=np.zeros((7, 12, 16, 3), np.uint8),
            labels=np.arange(7) % 2,
            targets="labels",
            classes=["a_very_long_name_of_a_class_without_any_space", "b"],
        ),
        directory / "shards",
        verbose=0,
    )
    return {
        "report": report_page(directory),
        "contact sheet": contact_sheet_page(directory / "shards"),
    }


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["report", "contact sheet"])
def test_a_page_fits_a_phone_and_can_be_read(pages, tmp_path, name, dark):
    found = examine_page(pages[name], tmp_path, width=360, dark=dark)
    assert (found["width"], found["dark"]) == (360, dark)
    assert found["texts"] > 5
    assert found["console"] == []
    assert (found["overflow"], found["outside"]) == (0, [])
    assert found["faint"] == []
    assert found["noAlt"] == 0


def test_faults_of_a_page_are_found(tmp_path):
    page = (
        '<html><body style="background: #fff"><p style="color: #999">faint</p>'
        '<div style="width: 500px">wide</div><img src="data:,"><script>undefined_name()</script>'
    )
    found = examine_page(page, tmp_path, width=360, dark=False)
    assert found["overflow"] > 100
    assert found["faint"] == ["2.85: faint"]
    assert found["noAlt"] == 1
    assert len(found["console"]) == 1
