from __future__ import annotations

import json
import time

import numpy as np
import pytest

from keras_bigdata import CorruptShardError, ShardError, ShardIndex
from keras_bigdata.shards.index import INDEX_NAME, Field, ShardInfo
from keras_bigdata.shards.roles import Roles


def made(directory, count=3, **about):
    fields = {
        "images": Field("images", np.dtype(np.uint8), (4, 4, 3)),
        "labels": Field("labels", np.dtype(np.int32), ()),
    }
    shards = [
        ShardInfo(
            name=f"sub/{k:05d}.pkl",
            samples=10,
            bytes=10_000,
            offsets={"images": 100, "labels": 5_000},
            checksum=k,
        )
        for k in range(count)
    ]
    return ShardIndex.from_shards(directory, fields, shards, **about)


def test_saved_index_loads_equal(tmp_path):
    roles = Roles(inputs={"image": "images"}, targets="labels")
    index = made(
        tmp_path, roles=roles, classes=["cat", "dog"], class_counts=[20, 10], made={"by": "test"}
    )
    index.save()
    loaded = ShardIndex.load(tmp_path)
    assert loaded.fields == index.fields
    assert loaded.roles == roles
    assert [loaded[k] for k in range(3)] == [index[k] for k in range(3)]
    assert (loaded.classes, loaded.class_counts) == (["cat", "dog"], [20, 10])
    assert loaded.num_samples == 30
    assert loaded.path(1) == tmp_path / "sub/00001.pkl"


def test_structured_dtypes_survive(tmp_path):
    dtype = np.dtype([("a", "<i4"), ("b", "<f8", (2,)), ("c", [("d", "u1")])])
    shard = ShardInfo("0.pkl", 1, 1000, {"r": 10})
    ShardIndex.from_shards(tmp_path, {"r": Field("r", dtype, (3,))}, [shard]).save()
    assert ShardIndex.load(tmp_path).fields["r"].dtype == dtype


def edit(directory, change):
    path = directory / INDEX_NAME
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("shards"),
        lambda c: c["shards"]["name"].pop(),
        lambda c: c["shards"]["samples"].__setitem__(0, -1),
        lambda c: c["shards"]["samples"].__setitem__(0, 2**70),
        lambda c: c["shards"]["samples"].__setitem__(0, 2**62),
        lambda c: c["shards"]["samples"].__setitem__(0, 1.5),
        lambda c: c["shards"]["samples"].__setitem__(0, "ten"),
        lambda c: c["shards"]["offset"].pop("images"),
        lambda c: c["shards"]["offset"]["images"].__setitem__(1, 9_999),
        lambda c: c["shards"]["offset"]["images"].__setitem__(1, -2),
        lambda c: c["shards"]["variant"].__setitem__(0, 1),
        lambda c: c["fields"]["images"].update(dtype="|O"),
        lambda c: c["fields"]["images"].update(dtype="no such"),
        lambda c: c["fields"]["images"].update(shape=[-1]),
        lambda c: c["roles"].update(inputs="nothing"),
        lambda c: c.update(variants=0),
        lambda c: c.update(fields=[]),
        lambda c: c.update(shards=None),
    ],
)
def test_damaged_index_is_refused(tmp_path, change):
    made(tmp_path).save()
    edit(tmp_path, change)
    with pytest.raises(CorruptShardError, match=r"index\.json: the index is damaged"):
        ShardIndex.load(tmp_path)


@pytest.mark.parametrize("name", ["../x.pkl", "/etc/passwd", "a/../../b", "C:\\x", "..\\x", "\\x"])
def test_names_cannot_leave_the_directory(tmp_path, name):
    made(tmp_path).save()
    edit(tmp_path, lambda content: content["shards"]["name"].__setitem__(0, name))
    with pytest.raises(CorruptShardError, match="leads out of the directory"):
        ShardIndex.load(tmp_path)


def test_half_an_index_is_refused(tmp_path):
    made(tmp_path).save()
    path = tmp_path / INDEX_NAME
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorruptShardError, match="cannot be read"):
        ShardIndex.load(tmp_path)


def test_someone_elses_index_json_is_refused(tmp_path):
    (tmp_path / INDEX_NAME).write_text('{"version": 2, "shards": []}')
    with pytest.raises(CorruptShardError, match="no index of keras_bigdata"):
        ShardIndex.load(tmp_path)


def test_future_version_is_refused_with_both_versions(tmp_path):
    made(tmp_path).save()
    edit(tmp_path, lambda content: content.update(version=99))
    with pytest.raises(ShardError, match="version 99; this release reads version 1"):
        ShardIndex.load(tmp_path)


@pytest.mark.slow
def test_an_index_of_100_000_shards_opens_in_about_a_second(tmp_path):
    made(tmp_path, count=100_000).save()
    start = time.perf_counter()
    assert len(ShardIndex.load(tmp_path)) == 100_000
    assert time.perf_counter() - start < 3
