"""Directories packed by release 0.1 are the same call, and are continued and repaired."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata import PackError, ShardIndex, pack, repair
from keras_bigdata.packing.augment import Augment, flip, rotate
from keras_bigdata.packing.identity.function_source import code_digest
from keras_bigdata.packing.identity.release_0_1 import match_record
from keras_bigdata.shards.pickles import read_columns
from keras_bigdata.shards.writing.shard_file import write_shard
from tests.helpers.packs import read_files
from tests.packing.small_sources import Numbers, add_noise

RELEASE_0_1 = Path(__file__).parent / "release_0_1"


@pytest.fixture
def packed_by_0_1(tmp_path: Path) -> Path:
    """A directory as release 0.1 has packed it, from a script."""
    if np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("its pickles name `numpy._core`, those of NumPy 1 `numpy.core`")
    directory = tmp_path / "packed"
    index = pack_noise(directory)
    recorded = json.loads((RELEASE_0_1 / "index.json").read_text())["shards"]
    for shard, name in enumerate(index.names):  # without metadata columns, which 0.1 did not write
        rows = read_columns(index.path(shard), index.fields)
        info = write_shard(directory, name, rows, variant=int(index.variant[shard]))
        assert (info.bytes, info.checksum) == (recorded["bytes"][shard], recorded["crc32"][shard])
    shutil.copy(RELEASE_0_1 / "index.json", directory)
    return directory


def pack_noise(directory: Path, augment: Any = add_noise, **options: Any) -> ShardIndex:
    options = {"shard_samples": 8, "variants": 2, "seed": 4, "workers": 1, **options}
    return pack(Numbers(), directory, augment=augment, **options)


def change_index(directory: Path, augment: str) -> None:
    index = json.loads((directory / "index.json").read_text())
    index["made"]["arguments"]["augment"] = augment
    (directory / "index.json").write_text(json.dumps(index))


def test_a_directory_packed_by_0_1_is_packed_already(packed_by_0_1: Path, capsys: Any):
    before = read_files(packed_by_0_1)
    index = pack_noise(packed_by_0_1)
    assert index.num_samples == 20
    assert "packed already" in capsys.readouterr().err
    assert read_files(packed_by_0_1) == before


def test_another_call_than_that_of_0_1_is_refused(packed_by_0_1: Path):
    def other(sample: Any, rng: Any) -> Any:
        return sample

    with pytest.raises(PackError, match=r"arguments\.seed was 4 and is 5"):
        pack_noise(packed_by_0_1, seed=5)
    with pytest.raises(PackError, match=r"augment was '__main__.add_noise \w+' and is \{.*other"):
        pack_noise(packed_by_0_1, augment=other)
    with pytest.raises(PackError, match=r"augment was '__main__.add_noise \w+' and is None"):
        pack_noise(packed_by_0_1, augment=None, variants=1)


def test_roles_that_0_1_did_not_record_are_those_of_its_index(packed_by_0_1: Path):
    class WithRoles(Numbers):
        roles: Any = None

    WithRoles.__qualname__ = "Numbers"
    WithRoles.roles = {"inputs": "x", "targets": "labels"}
    options: dict[str, Any] = {"shard_samples": 8, "variants": 2, "seed": 4, "augment": add_noise}
    pack(WithRoles(), packed_by_0_1, **options)
    WithRoles.roles = {"inputs": "labels"}
    with pytest.raises(PackError, match=r"roles.inputs was 'x' and is 'labels'"):
        pack(WithRoles(), packed_by_0_1, **options)


def test_other_bytecode_than_that_of_0_1_is_accepted_with_a_note(packed_by_0_1: Path, capsys: Any):
    name = f"{add_noise.__module__}.{add_noise.__qualname__}"
    change_index(packed_by_0_1, f"{name} {code_digest(add_noise.__code__)}")
    pack_noise(packed_by_0_1)
    assert "an earlier version" not in capsys.readouterr().err
    change_index(packed_by_0_1, f"{name} 0123456789abcdef")
    pack_noise(packed_by_0_1)
    assert "was packed by an earlier version of keras_bigdata, which" in capsys.readouterr().err
    pack_noise(packed_by_0_1, verbose=0)
    assert capsys.readouterr().err == ""


def test_a_set_packed_by_0_1_is_repaired_from_its_source(packed_by_0_1: Path):
    before = read_files(packed_by_0_1)
    (packed_by_0_1 / "shard-00001.v1.pkl").unlink()
    found = repair(packed_by_0_1, source=Numbers(), augment=add_noise, dry_run=False, workers=1)
    assert found.done
    assert read_files(packed_by_0_1) == before


def test_a_pack_that_0_1_did_not_finish(tmp_path: Path):
    class Broken(Numbers):
        broken = True

        def __getitem__(self, row: int) -> dict[str, Any]:
            if row == 13 and self.broken:
                raise KeyError(row)
            return super().__getitem__(row)

    Broken.__qualname__ = "Numbers"
    options: dict[str, Any] = {"shard_samples": 4, "shuffle": False, "workers": 1}
    with pytest.raises(PackError, match="row 13"):
        pack(Broken(), tmp_path / "out", augment=add_noise, **options)
    manifest = tmp_path / "out" / ".packing" / "manifest.json"
    recorded = json.loads((RELEASE_0_1 / "manifest.json").read_text())
    assert recorded["arguments"]["augment"].startswith("__main__.add_noise ")
    Broken.broken = False
    recorded["arguments"]["augment"] = "__main__.add_noise 0123456789abcdef"
    manifest.write_text(json.dumps(recorded))
    before = read_files(tmp_path / "out")
    with pytest.raises(PackError, match="unfinished pack of an earlier version"):
        pack(Broken(), tmp_path / "out", augment=add_noise, **options)
    assert read_files(tmp_path / "out") == before
    recorded["arguments"]["augment"] = f"__main__.add_noise {code_digest(add_noise.__code__)}"
    manifest.write_text(json.dumps(recorded))
    pack(Broken(), tmp_path / "out", augment=add_noise, **options)
    assert "source" in ShardIndex.load(tmp_path / "out").provenance


class Shift:
    def __call__(self, sample: Any, rng: Any) -> Any:
        return sample


HERE = "tests.packing.test_release_0_1"


@pytest.mark.parametrize(
    ("record", "augment", "expected"),
    [
        (f"{HERE}.Shift", Shift(), "equal"),
        ("__main__.Shift", Shift(), "equal"),
        ("training.Shift", Shift(), "different"),
        (f"{HERE}.Shifts", Shift(), "different"),
        (f"partial({HERE}.add_noise 0123456789abcdef, 3, by=2.0)", None, "different"),
        (
            "partial(__main__.add_noise 0123456789abcdef, 3, by=2.0)",
            functools.partial(add_noise, 3, by=2.0),
            "name",
        ),
        (
            f"partial(__main__.add_noise 0123456789abcdef, by={HERE}.Shift)",
            functools.partial(add_noise, by=Shift()),
            "name",
        ),
        (
            "partial(__main__.add_noise 0123456789abcdef, 3, by=2.5)",
            functools.partial(add_noise, 3, by=2.0),
            "different",
        ),
        (
            "keras_bigdata.packing.augment.Augment(rotate(degrees=20), flip(horizontal=True, "
            "vertical=False), fill_mode='reflect', cval=0.0, images=('images',), masks=None)",
            Augment(rotate(20), flip(), fill_mode="reflect"),
            "equal",
        ),
        ("builtins.dict", dict, "equal"),
    ],
)
def test_records_of_0_1(record: str, augment: Any, expected: str):
    assert match_record(record, augment) == expected
