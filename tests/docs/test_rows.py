"""What docs/rows.md says about selections is what the code returns."""

from __future__ import annotations

import numpy as np

import keras_bigdata
from tests.helpers.doc_files import ROWS, run_python
from tests.helpers.doc_pages import blocks, section, smaller
from tests.helpers.paths import ROOT

PAGE = ROOT / "docs/rows.md"


def test_rows_are_described_and_chosen(folder):
    first = next(block for block in blocks("python") if block.page == PAGE.name)
    names = run_python(smaller(first.code), str(first))

    all_files = sorted(f"{number}.png" for number in range(ROWS))
    assert sorted(names["table"]["file"]) == all_files
    assert names["shards"].num_samples == ROWS * 4 // 5  # without site B
    train, val = (set(names[part].columns("patient")["patient"]) for part in ("train", "val"))
    assert train | val == {f"p{number}" for number in range(ROWS // 5)}
    assert train.isdisjoint(val)
    served = np.concatenate([images for images, _ in names["sequence"]])
    stored = names["train"].columns("images")["images"]
    assert sorted(map(bytes, served)) == sorted(map(bytes, stored))


def test_the_calls_in_the_table_of_rows_work(tmp_path, monkeypatch):
    """Those that need no model; the others have tests of their own."""
    table = section(PAGE, "Choose, split and mix rows")
    monkeypatch.chdir(tmp_path)
    rows = np.arange(40)
    arrays = {"x": rows[:, None] / 1, "labels": rows % 2, "patient": rows // 4, "site": rows // 20}
    source = keras_bigdata.Arrays(**arrays, inputs="x", targets="labels")
    for directory in ("shards/2024", "shards/2025"):
        keras_bigdata.pack(source, directory, workers=1)
    names = {name: getattr(keras_bigdata, name) for name in keras_bigdata.__all__}
    names |= {"shards": keras_bigdata.Shards("shards/2024"), "photos": source}
    results = {}
    for call in (
        'shards.where(lambda columns: columns["site"] != "B")',
        "shards.rows([3, 17, 5])",
        'train, val = shards.split(0.2, groups="patient")',
        'train_photos, val_photos = photos.split(0.2, groups="patient")',
        'for train, val in shards.folds(5, groups="patient"):',
        "shards.take(0.1)",
        'Shards(["shards/2024", "shards/2025"])',
    ):
        assert f"`{call}`" in table
        runnable = call.replace('"B"', "1")
        if runnable.endswith(":"):
            runnable = f"found = [len(val) {runnable[:-1]}]"
        elif " = " not in runnable:
            runnable = f"found = len({runnable})"
        else:
            runnable += f"; found = len({runnable.partition(' = ')[0].split(', ')[1]})"
        exec(runnable, names)
        results[call.partition("(")[0]] = names["found"]
    assert list(results.values()) == [20, 3, 8, 8, [8] * 5, 4, 80]
