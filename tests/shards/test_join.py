"""Several directories as one set."""

from __future__ import annotations

import os
import pickle
import shutil

import numpy as np
import pytest

from keras_bigdata import Arrays, ShardError, Shards, ShardSequence, pack
from tests.helpers.unindexed_pickles import ROLES, write_shards


def packed(folder, *, rows=10, start=0, classes=("a", "b", "c"), width=2, **options):
    labels = np.array(classes)[np.arange(rows) % len(classes)]
    x = np.arange(start, start + rows)[:, None] * np.ones(width)
    source = Arrays(x=x, labels=labels, classes=list(classes))
    return pack(source, folder, shard_samples=4, shuffle=False, workers=1, verbose=0, **options)


def values(shards):
    return shards.columns("x")["x"][:, 0].tolist()


def test_rows_add_up_in_the_order_of_the_list(tmp_path):
    packed(tmp_path / "2024", rows=10)
    packed(tmp_path / "2025", rows=7, start=10)
    joined = Shards([tmp_path / "2024", str(tmp_path / "2025")])
    assert joined.num_samples == 17
    assert joined.index.class_counts == [7, 5, 5]
    assert joined.index.classes == ["a", "b", "c"]
    assert values(joined) == list(range(17))
    assert values(Shards([tmp_path / "2025", tmp_path / "2024"])) == [*range(10, 17), *range(10)]
    assert repr(joined).endswith(": 17 rows in 5 shards)")


@pytest.mark.parametrize("shuffle", ["window", "global", None])
def test_a_joined_set_is_served_once_and_may_be_selected(tmp_path, shuffle):
    packed(tmp_path / "2024", rows=10)
    packed(tmp_path / "2025", rows=7, start=10)
    folders = [tmp_path / "2024", tmp_path / "2025"]
    data = ShardSequence(folders, 4, shuffle=shuffle, seed=1)
    assert sorted(x for xs, _ in data for x in xs[:, 0]) == list(range(17))
    some = Shards(folders).where(lambda columns: columns["labels"] == 0)
    served = [x for xs, _ in ShardSequence(some, 4, shuffle=shuffle, seed=1) for x in xs[:, 0]]
    assert sorted(served) == [0, 3, 6, 9, 10, 13, 16]


def test_the_working_directory_may_change(tmp_path, monkeypatch):
    packed(tmp_path / "2024")
    packed(tmp_path / "2025", start=10)
    monkeypatch.chdir(tmp_path)
    joined = Shards(["2024", "2025"])
    monkeypatch.chdir("/")
    assert values(joined) == list(range(20))


def test_variants_are_joined_one_by_one(tmp_path):
    for number in range(2):
        packed(tmp_path / str(number), start=10 * number, variants=2, augment=add_hundreds)
    data = ShardSequence([tmp_path / "0", tmp_path / "1"], 4, shuffle=None)
    first, second = [[x for xs, _ in data for x in xs[:, 0]] for _ in range(2)]
    assert first != second
    assert [x % 100 for x in first] == [x % 100 for x in second] == list(range(20))


def add_hundreds(sample, rng):
    return {**sample, "x": sample["x"] + 100 * rng.integers(10)}


def test_directories_of_plain_pickles_are_joined_too(tmp_path):
    for number in range(2):
        write_shards(tmp_path / str(number), [3, 4])
    joined = Shards([tmp_path / "0", tmp_path / "1"])
    assert joined.columns("id")["id"].tolist() == [*range(7), *range(7)]
    file = tmp_path / "1" / "00000.pkl"
    data = ShardSequence(joined, 4, **ROLES, shuffle=None)
    os.utime(file, ns=(1, 1))
    with pytest.raises(ShardError, match=r"00000\.pkl: the shard was changed"):
        list(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 3}, r"the fields differ.*float64 \(rows, 2\).*float64 \(rows, 3\)"),
        ({"classes": ("a", "c", "b")}, r"the classes differ. They are \[a, b, c\] \(3\) in .*2024"),
        ({"classes": ("a", "b", "c", "d")}, r"\[\.\.\. \(1 equal\), b, c\] \(3\).*c, d\] \(4\)"),
        ({"variants": 2, "augment": add_hundreds}, "the numbers of variants differ. They are 1 in"),
    ],
)
def test_a_difference_names_both_directories_and_both_values(tmp_path, options, message):
    packed(tmp_path / "2024")
    packed(tmp_path / "2025", **options)
    with pytest.raises(ShardError, match=message) as error:
        Shards([tmp_path / "2024", tmp_path / "2025"])
    for folder in ("2024", "2025"):
        assert str(tmp_path / folder) in str(error.value)


def test_other_roles_and_other_words_are_refused(tmp_path):
    x = np.zeros((4, 2))
    pack(Arrays(x=x, y=x, inputs="x", targets="y"), tmp_path / "a", verbose=0)
    pack(Arrays(x=x, y=x, inputs="y", targets="x"), tmp_path / "b", verbose=0)
    with pytest.raises(ShardError, match=r"the roles differ. They are \[inputs='x'"):
        ShardSequence([tmp_path / "a", tmp_path / "b"])


def test_the_same_directory_twice_is_refused(tmp_path):
    packed(tmp_path / "a")
    os.symlink(tmp_path / "a", tmp_path / "link")
    for again in ("a", "../" + tmp_path.name + "/a", "link"):
        with pytest.raises(ShardError, match="would be served twice"):
            Shards([tmp_path / "a", tmp_path / again])


def test_files_and_directories_in_one_list_are_refused(tmp_path):
    packed(tmp_path / "a")
    shutil.copy(tmp_path / "a/shard-00000.pkl", tmp_path / "file.pkl")
    with pytest.raises(ShardError, match="holds directories and files: it could mean"):
        Shards([tmp_path / "a", tmp_path / "file.pkl"])
    with pytest.raises(ShardError, match="there is no such directory or file"):
        Shards([tmp_path / "a", tmp_path / "b"])
    # Files alone are read as they were.
    files = sorted((tmp_path / "a").glob("*.pkl"))
    assert Shards(files).num_samples == 10


def test_one_directory_in_a_list_is_that_directory(tmp_path):
    packed(tmp_path / "a")
    joined = Shards([tmp_path / "a"])
    assert values(joined) == values(Shards(tmp_path / "a"))
    assert pickle.loads(pickle.dumps(joined.index)).num_samples == 10
