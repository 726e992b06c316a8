"""Indexes of rows of any length and of encoded images, damaged or hostile."""

from __future__ import annotations

import copy
import json
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_bigdata import Arrays, CorruptShardError, ShardIndex, pack
from keras_bigdata.errors import ShardError
from keras_bigdata.shards.reading.read_column import read_ragged
from tests.helpers.image_sets import EncodedImages
from tests.helpers.ragged_sets import write_numbered


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """The directories of a ragged, a jpeg and a file set, and the content of their indexes."""
    folder = tmp_path_factory.mktemp("sets")
    write_numbered(folder / "t")
    pack(EncodedImages("jpeg"), folder / "jpeg")
    pack(EncodedImages("file"), folder / "file")
    contents = {
        name: json.loads((folder / name / "index.json").read_text())
        for name in ("t", "jpeg", "file")
    }
    yield folder, contents
    assert all((folder / name / "index.json").exists() for name in contents)


def load(sets, name, change):
    folder, contents = sets
    content = copy.deepcopy(contents[name])
    change(content)
    (folder / name / "index.json").write_text(json.dumps(content))
    return ShardIndex.load(folder / name)


def in_field(name, **entries):
    return lambda content: content["fields"][name].update(entries)


def test_what_was_written_is_read(sets):
    def nothing(content):
        pass

    index = load(sets, "t", nothing)
    assert index.fields["t"].shape == (None,)
    assert index.fields["t"].is_ragged
    index = load(sets, "jpeg", nothing)
    assert (index.fields["images"].codec, index.fields["images"].shape) == ("jpeg", (12, 12, 3))
    index = load(sets, "file", nothing)
    assert (index.fields["images"].codec, index.fields["images"].shape) == ("file", (None, None, 3))
    assert load(sets, "t", in_field("t", padding=-1)).fields["t"].padding == -1


def no_row_offset(content):
    del content["shards"]["row_offset"]


def row_offset(value):
    def change(content):
        for name in content["shards"]["row_offset"]:
            content["shards"]["row_offset"][name] = [value] * len(content["shards"]["crc32"])

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("jpeg", in_field("images", codec="webp")),
        ("jpeg", in_field("images", codec=["jpeg"])),
        ("jpeg", in_field("images", codec={})),
        ("jpeg", in_field("images", codec="utf-8")),
        ("jpeg", in_field("images", dtype="<f4")),
        ("jpeg", in_field("images", dtype="|i1")),
        ("jpeg", in_field("images", shape=[12, 12])),
        ("jpeg", in_field("images", shape=[12, 12, 4])),
        ("jpeg", in_field("images", shape=[12, 12, None])),
        ("jpeg", in_field("images", shape=[None, None, 3])),
        ("jpeg", in_field("images", shape=[None, 12, 3])),
        ("jpeg", in_field("images", shape=[0, 12, 3])),
        ("jpeg", in_field("images", shape=[65536, 1, 3])),
        ("jpeg", in_field("images", shape=[60000, 60000, 3])),
        ("jpeg", in_field("images", codec="png", shape=[2**30, 2**30, 3])),
        ("jpeg", in_field("images", codec="png", shape=[2**31, 1, 3])),
        ("jpeg", in_field("images", padding=1)),
        ("file", in_field("images", shape=[None, None, 2])),
        ("file", in_field("images", shape=[None, 4, 3])),
        ("file", in_field("images", shape=[None, None, None])),
        ("file", in_field("images", shape=None)),
        ("t", in_field("t", shape=[None, None])),
        ("t", in_field("t", shape=[3, None])),
        ("t", in_field("t", shape=[None, -1])),
        ("t", in_field("t", shape=[None, 2**62, 4])),
        ("t", in_field("t", shape={"0": None})),
        ("t", in_field("t", dtype="<U3")),
        ("t", in_field("t", dtype="<M8[s]")),
        ("t", in_field("t", padding="0")),
        ("t", in_field("t", padding=None)),
        ("t", in_field("t", padding=[0])),
        ("t", in_field("t", padding=True)),
        ("t", in_field("t", padding=0.5)),
        ("t", in_field("t", padding=2**31)),
        ("t", in_field("t", padding=10**400)),
        ("t", in_field("t", padding=float("nan"))),
        ("t", in_field("t", padding=float("inf"))),
        ("t", in_field("y", padding=1)),
        ("t", in_field("y", shape=[None])),  # it has no row offsets
        ("t", no_row_offset),
        ("t", row_offset(-2)),
        ("t", row_offset(10**9)),
        ("t", row_offset(2**63 - 1)),
        ("jpeg", no_row_offset),
        ("jpeg", row_offset(10**9)),
    ],
)
def test_a_hostile_index_is_refused_without_taking_memory(sets, name, change):
    tracemalloc.start()
    try:
        with pytest.raises(CorruptShardError, match="the index is damaged"):
            load(sets, name, change)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_offsets_need_one_entry_more_than_rows(sets):
    index = load(sets, "t", lambda content: None)
    sizes = index.sizes
    row = int(index.samples[0])

    def at_the_end(count):
        def change(content):
            ends = (sizes - 8 * count).tolist()
            content["shards"]["row_offset"]["t"] = ends

        return change

    with pytest.raises(CorruptShardError, match="do not fit"):
        load(sets, "t", at_the_end(row))
    # It fits the file, but is not the place of the offsets.
    index = load(sets, "t", at_the_end(row + 1))
    with pytest.raises(CorruptShardError, match="offsets"):
        read_ragged(index, 0, "t")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from(["jpeg", "png", "file", "utf-8", "", "<i4", "|u1", "<f4", "|O", "<U2"]),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=5,
)
SIZES = st.lists(st.none() | st.integers(-1, 2**40) | st.sampled_from([1, 3, 12]), max_size=5)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(["t", "jpeg", "file"]),
    entries=st.fixed_dictionaries(
        {},
        optional={
            "codec": st.sampled_from([None, "jpeg", "png", "file"]) | JSON,
            "padding": st.integers(-(2**33), 2**33) | JSON,
            "shape": SIZES | JSON,
            "dtype": st.sampled_from(["<i4", "|u1", "<f8", "|b1"]) | JSON,
        },
    ),
    places=st.none() | st.integers(-3, 3000),
)
def test_any_entry_is_read_as_a_possible_field_or_refused(sets, name, entries, places):
    field = "t" if name == "t" else "images"

    def change(content):
        content["fields"][field].update(entries)
        if places is not None:
            row_offset(places)(content)

    tracemalloc.start()
    try:
        index = load(sets, name, change)
        found = index.fields[field]
        assert found.codec in (None, "jpeg", "png", "file")
        if found.is_encoded:
            assert found.dtype == np.uint8
            assert found.shape[2] in (1, 3)
            rows = float(index.samples.sum())
            assert found.row_bytes * rows < 5000 * float(index.sizes.sum())
        if found.is_varlen:
            for shard in range(len(index)):
                rows = read_ragged(index, shard, field)
                assert len(rows) == index.samples[shard]
                assert rows.values.nbytes <= index.sizes[shard]
    except ShardError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 16 << 20


def test_an_entry_without_a_codec_is_an_array_as_in_earlier_releases(tmp_path):
    index = pack(Arrays(x=np.zeros((4, 3), np.float32), labels=[0, 1, 0, 1]), tmp_path / "a")
    entry = json.loads((tmp_path / "a" / "index.json").read_text())["fields"]["x"]
    assert set(entry) == {"dtype", "shape"}
    assert not index.fields["x"].is_varlen
    content = pickle.loads((tmp_path / "a" / "shard-00000.pkl").read_bytes())
    assert content["x"].shape == (4, 3)
