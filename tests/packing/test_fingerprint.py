"""Which calls of `pack` are the same, over processes, scripts and releases."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata import Arrays, PackError, pack
from keras_bigdata.packing.augment import Augment, brightness, rotate
from keras_bigdata.packing.identity.fingerprint import differences
from tests.helpers.paths import ROOT
from tests.packing.small_sources import Numbers

# Sources


def test_a_source_may_have_its_own_fingerprint(tmp_path: Path):
    class Versioned(Numbers):
        def fingerprint(self) -> dict[str, Any]:
            return {"release": self.release}

        release: Any = 3

    source = Versioned()
    index = pack(source, tmp_path / "out", workers=1)
    assert json.loads((tmp_path / "out" / "index.json").read_text())["made"] == index.provenance
    assert index.provenance["source"] == {"release": 3}
    source.release = 4
    with pytest.raises(PackError, match=r"source.release was 3 and is 4"):
        pack(source, tmp_path / "out")
    source.release = object()
    with pytest.raises(TypeError, match=r"`source.fingerprint\(\)` must return plain JSON"):
        pack(source, tmp_path / "out")


def test_other_sources_are_compared_by_class_length_and_first_row(tmp_path: Path):
    pack(Numbers(), tmp_path / "out", workers=1)
    with pytest.raises(PackError, match=r"source.rows was 20 and is 21"):
        pack(Numbers(21), tmp_path / "out")


@pytest.mark.parametrize("source", [{"x": np.zeros(2)}, (np.zeros(2), np.zeros(2))])
def test_arrays_alone_are_not_a_source(source: Any, tmp_path: Path):
    with pytest.raises(TypeError, match=r"must be a source: Arrays\("):
        pack(source, tmp_path)


def test_a_custom_source_with_other_roles_is_another_one(tmp_path: Path):
    source = Numbers()
    source.roles = {"inputs": "x", "targets": "labels"}  # type: ignore[attr-defined]
    index = pack(source, tmp_path / "out", workers=1)
    assert index.provenance["roles"]["inputs"] == "x"
    pack(source, tmp_path / "out")
    source.roles = {"inputs": {"number": "x"}}  # type: ignore[attr-defined]
    with pytest.raises(PackError) as caught:
        pack(source, tmp_path / "out")
    assert "roles.inputs was 'x' and is {'number': 'x'}" in str(caught.value)
    assert "roles.targets was 'labels' and is None" in str(caught.value)


def test_arrays_with_other_roles_are_another_source(tmp_path: Path):
    x, y = np.zeros(4), np.ones(4)
    pack(Arrays(x=x, y=y, targets="y"), tmp_path / "out")
    with pytest.raises(PackError, match=r"roles.inputs was 'x' and is 'y'"):
        pack(Arrays(x=x, y=y, targets="x"), tmp_path / "out")


def test_an_unfinished_pack_with_other_roles_is_refused(tmp_path: Path):
    class Broken(Numbers):
        def __getitem__(self, row: int) -> dict[str, Any]:
            if row == 13:
                raise KeyError(row)
            return super().__getitem__(row)

    source, options = Broken(), {"shard_samples": 4, "shuffle": False, "workers": 1}
    for _ in range(2):
        with pytest.raises(PackError, match="row 13"):
            pack(source, tmp_path / "out", **options)
    source.roles = {"inputs": "x"}  # type: ignore[attr-defined]
    with pytest.raises(PackError, match=r"unfinished .*roles was None and is \{'inputs': 'x'"):
        pack(source, tmp_path / "out", **options)


def test_shards_that_pack_did_not_write_are_refused(tmp_path: Path):
    from keras_bigdata import ShardWriter, capture

    with ShardWriter(tmp_path / "written", inputs="x") as writer:
        writer.write({"x": np.zeros(3)})
    capture([(np.zeros(3), np.zeros(3))], tmp_path / "captured")
    for name, recorded in (("written", "absent"), ("captured", "'list'")):
        with pytest.raises(PackError, match=f"another call. source was {recorded} and is"):
            pack(Numbers(), tmp_path / name)


# `augment`


def test_another_augment_of_the_same_name_is_another_call(tmp_path: Path):
    def compiled(amount: int) -> Any:
        names: dict[str, Any] = {}
        code = f"def shift(sample, rng): return {{'x': sample['x'] + {amount}}}"
        exec(code, names)
        return names["shift"]

    source = Arrays(x=np.zeros(4))
    pack(source, tmp_path / "a", augment=compiled(1), workers=1)
    pack(source, tmp_path / "a", augment=compiled(1), workers=1)
    with pytest.raises(PackError, match=r"another call.*bytecode of 'shift' was '.*' and is '"):
        pack(source, tmp_path / "a", augment=compiled(2), workers=1)


def test_a_partial_over_an_object_is_the_same_call_again(tmp_path: Path, capsys: Any):
    class Amount:
        value = 2.0

    def shift(sample: dict[str, Any], rng: Any, by: Amount) -> dict[str, Any]:
        return {"x": sample["x"] + by.value}

    for _ in range(2):
        augment = functools.partial(shift, by=Amount())
        pack(Arrays(x=np.zeros(4)), tmp_path / "a", augment=augment, workers=1)
    assert "packed already" in capsys.readouterr().err


def test_the_item_that_differs_is_named_with_both_values(tmp_path: Path):
    def shift_by(amount: float) -> Any:
        return lambda sample, rng: {"x": sample["x"] + amount}

    source = Arrays(x=np.zeros(4))
    pack(source, tmp_path / "a", augment=shift_by(1.0), workers=1)
    with pytest.raises(PackError) as caught:
        pack(source, tmp_path / "a", augment=shift_by(2.0), workers=1)
    assert "call. arguments.augment.closure.amount was 1.0 and is 2.0. " in str(caught.value)


SCRIPT = """
    from keras_bigdata import pack

    class Rows:
        def __len__(self):
            return 4

        def __getitem__(self, row):
            return {"x": row}

    def double(sample, rng):
        return {"x": sample["x"] * 2}

    class Times:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, sample, rng):
            return {"x": sample["x"] * self.factor}

    def run(folder):
        pack(Rows(), f"{folder}/function", augment=double, workers=1)
        pack(Rows(), f"{folder}/object", augment=Times(3), workers=1)

    if __name__ == "__main__":
        run("out")
"""


@pytest.mark.slow
def test_a_function_of_a_script_equals_the_imported_one(tmp_path: Path):
    (tmp_path / "training.py").write_text(textwrap.dedent(SCRIPT))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    as_script = [sys.executable, "training.py"]
    # Continues what the script packed, and packs again for the script.
    twice = (
        "import shutil, training; training.run('out'); shutil.rmtree('out'); training.run('out')"
    )
    imported = [sys.executable, "-c", twice]
    for command, already in ((as_script, 0), (imported, 2), (as_script, 2)):
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=True, env=environment
        )
        assert done.stderr.count("packed already") == already


# `differences`


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1}}, ""),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b was 1 and is 2"),
        ({"a": {"b": 1}}, {"a": {"b": 1.0}}, "a.b was 1 and is 1.0"),
        ({"a": [1, 2]}, {"a": [2, 1]}, "a was [1, 2] and is [2, 1]"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "a[0].b was 1 and is 2"),
        ({"a": {}}, {"a": {"b": None}}, "a.b was absent and is None"),
        ({"a": 1}, {"a": {"b": 1}}, "a was 1 and is {'b': 1}"),
        ({"a": "x" * 99}, {"a": 1}, f"a was '{'x' * 76}... and is 1"),
        ({"a": {"module": "__main__"}}, {"a": {"module": "training"}}, ""),
        ({"a": {"module": "b"}}, {"a": {"module": "c"}}, "a.module was 'b' and is 'c'"),
        ({"source": {"kind": "__main__.A"}}, {"source": {"kind": "b.c.A"}}, ""),
        (
            {"source": {"kind": "__main__.A"}},
            {"source": {"kind": "b.AA"}},
            "source.kind was '__main__.A' and is 'b.AA'",
        ),
    ],
)
def test_differences(before: Any, now: Any, expected: str):
    assert differences(before, now) == expected
    assert bool(differences(now, before)) == bool(expected)


def test_the_description_of_ready_made_augmentation_stays_the_same_over_releases(tmp_path: Path):
    # Finished packs are compared with it: this must never change.
    augment = Augment(rotate(20), brightness(0.5, 2), masks=("mask",))
    index = pack(
        Arrays(images=np.zeros((2, 4, 4)), mask=np.zeros((2, 4, 4), np.uint8)),
        tmp_path / "out",
        augment=augment,
        workers=1,
    )
    module = {"module": "keras_bigdata.packing.augment"}
    assert index.provenance["arguments"]["augment"] == {
        **module,
        "name": "Augment",
        "attributes": {
            "transforms": [
                {**module, "name": "rotate", "attributes": {"degrees": 20}},
                {**module, "name": "brightness", "attributes": {"low": 0.5, "high": 2}},
            ],
            "fill_mode": "nearest",
            "cval": 0.0,
            "images": ["images"],
            "masks": ["mask"],
        },
    }
    assert not re.search("source", json.dumps(index.provenance["arguments"]))
