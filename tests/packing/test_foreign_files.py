"""Files that this package did not write stay, whatever their names begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    BestWeightsEarlyStopping,
    PackError,
    ResumeTraining,
    ScoreLog,
    ShardError,
    ShardSequence,
    ShardWriter,
    capture,
    pack,
    repair,
    verify,
)
from keras_bigdata.files import remove_leftovers, temporary_target
from tests.packing.small_sources import Numbers

MINE = ".tmp-mine"
# As long as a temporary name, but not hexadecimal.
SIMILAR = (".tmp-mynotes1-scores", ".tmp-mynotes1-checkpoint-00000001.npz", ".tmp-0123abc-x")


def write_files(folder: Path, *names: str) -> dict[str, bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("precious")
    return read_tree(folder)


def read_tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"folder"
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    "names",
    [
        ("thesis.txt", MINE),
        (MINE,),
        SIMILAR,
        (".packing/notes.txt", ".packing/.tmp-mine"),
        ("shard-00000.pkl",),
        # A running ShardWriter: its temporary file is not ours to remove.
        (".writing", ".tmp-12345678-shard-00000.pkl"),
    ],
)
def test_a_refused_directory_stays_as_it_is(tmp_path: Path, names: tuple[str, ...]):
    before = write_files(tmp_path / "out", *names)
    with pytest.raises(PackError, match="holds something else"):
        pack(Numbers(), tmp_path / "out", workers=1)
    with pytest.raises(PackError, match="holds something else"):
        capture([(np.zeros(2), np.zeros(2))], tmp_path / "out")
    with pytest.raises(ShardError, match="must be empty"):
        ShardWriter(tmp_path / "out")
    assert read_tree(tmp_path / "out") == before


def test_a_pack_removes_only_what_a_killed_pack_has_left(tmp_path: Path):
    class Broken(Numbers):
        broken = True

        def __getitem__(self, row: int) -> dict[str, Any]:
            if row == 13 and self.broken:
                raise KeyError(row)
            return super().__getitem__(row)

    source, options = Broken(), {"shard_samples": 4, "shuffle": False, "workers": 1}
    with pytest.raises(PackError, match="row 13"):
        pack(source, tmp_path / "out", **options)
    left = [".tmp-12345678-shard-00002.pkl", ".packing/.tmp-0123abcd-manifest.json"]
    write_files(tmp_path / "out", *left)
    source.broken = False
    pack(source, tmp_path / "out", **options)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"index.json", *(f"shard-0000{number}.pkl" for number in range(5))}
    # What comes later stays too.
    before = write_files(tmp_path / "out", MINE, ".packing/notes.txt")
    pack(source, tmp_path / "out", **options)
    assert read_tree(tmp_path / "out") == before


def test_a_repair_leaves_foreign_files_in_the_folder_that_it_uses(tmp_path: Path):
    pack(Numbers(), tmp_path / "out", shard_samples=4, workers=1)
    (tmp_path / "out" / "shard-00001.pkl").unlink()
    write_files(tmp_path / "out", ".repairing/notes.txt")
    assert repair(tmp_path / "out", source=Numbers(), dry_run=False, workers=1).done
    assert read_tree(tmp_path / "out" / ".repairing") == {"notes.txt": b"precious"}
    assert (tmp_path / "out" / "shard-00001.pkl").exists()


def test_verify_does_not_call_foreign_files_leftovers(tmp_path: Path):
    pack(Numbers(), tmp_path / "out", workers=1)
    write_files(tmp_path / "out", MINE, ".tmp-12345678-shard-00007.pkl")
    notes = verify(tmp_path / "out", verbose=0).notes
    assert [note for note in notes if "left by a writer" in note and "12345678" in note]
    assert not [note for note in notes if MINE in note]


def test_callbacks_remove_only_their_own_temporary_files(tmp_path: Path):
    x, y = np.zeros((8, 2), np.float32), np.zeros((8, 1), np.float32)
    pack(Arrays(x=x, y=y, targets="y"), tmp_path / "shards")
    train = ShardSequence(tmp_path / "shards", 4)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    folder = tmp_path / "run"
    names = (MINE, *SIMILAR, ".tmp-mynotes1-best.weights.h5", ".tmp-00000000-checkpoint-best.npz")
    before = write_files(folder, *names)
    left = [f".tmp-0123abcd-{name}" for name in ("scores", "best.weights.h5")]
    write_files(folder, *left, ".tmp-0123abcd-checkpoint-00000001.npz")
    callbacks = [
        BestWeightsEarlyStopping(folder / "best.weights.h5", "loss"),
        ScoreLog(folder / "scores", "loss"),
    ]
    resume = ResumeTraining(folder, train)
    callbacks = resume.around(callbacks)
    model.fit(train, verbose=0, shuffle=False, validation_data=(x, y), callbacks=callbacks)
    after = read_tree(folder)
    assert before.items() <= after.items()
    assert not [name for name in after if name.startswith(".tmp-0123abcd")]


def test_names_of_temporary_files():
    assert temporary_target(".tmp-0123abcd-a.weights.h5") == "a.weights.h5"
    for name in (MINE, *SIMILAR[:1], ".tmp-0123ABCD-a", ".tmp-0123abcd-", "x.tmp-0123abcd-a"):
        assert temporary_target(name) is None


def test_leftovers_are_of_one_file(tmp_path: Path):
    write_files(tmp_path, ".tmp-0123abcd-scores", ".tmp-mynotes1-scores")
    remove_leftovers(tmp_path / "scores")
    assert [path.name for path in tmp_path.iterdir()] == [".tmp-mynotes1-scores"]
