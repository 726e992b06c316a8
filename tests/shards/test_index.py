"""`ShardIndex`: saved and loaded, and damaged or hostile files refused."""

from __future__ import annotations

import contextlib
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata import CorruptShardError, ShardError, ShardIndex, __version__
from keras_bigdata.shards.fields.roles import Roles, as_structure
from keras_bigdata.shards.index.shard_index import INDEX_NAME, Field, ShardInfo
from keras_bigdata.shards.opening.open_shards import open_shards
from tests.helpers.pickle_bytes import nothing_runs


def make_index(directory, count=3, **metadata):
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
    return ShardIndex.from_shards(directory, fields, shards, **metadata)


def test_saved_index_loads_equal(tmp_path):
    roles = Roles(inputs={"image": "images"}, targets="labels")
    index = make_index(
        tmp_path,
        roles=roles,
        classes=["cat", "dog"],
        class_counts=[20, 10],
        provenance={"by": "test"},
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
        lambda c: c.pop("num_samples"),
        lambda c: c.update(num_samples=31),
        lambda c: c.update(num_samples="30"),
        lambda c: c.update(classes=["cat", "dog"], class_counts=[10, 10, 10]),
        lambda c: c.update(variants=0),
        lambda c: c.update(fields=[]),
        lambda c: c.update(shards=None),
    ],
)
def test_damaged_index_is_refused(tmp_path, change):
    make_index(tmp_path).save()
    edit(tmp_path, change)
    with pytest.raises(CorruptShardError, match=r"index\.json: the index is damaged"):
        ShardIndex.load(tmp_path)


@pytest.mark.parametrize("name", ["../x.pkl", "/etc/passwd", "a/../../b", "C:\\x", "..\\x", "\\x"])
def test_names_cannot_leave_the_directory(tmp_path, name):
    make_index(tmp_path).save()
    edit(tmp_path, lambda content: content["shards"]["name"].__setitem__(0, name))
    with pytest.raises(CorruptShardError, match="leads out of the directory"):
        ShardIndex.load(tmp_path)


HOSTILE = {
    "an empty name": lambda c: c["shards"]["name"].__setitem__(0, ""),
    "the directory itself": lambda c: c["shards"]["name"].__setitem__(0, "."),
    "a null character": lambda c: c["shards"]["name"].__setitem__(0, "a\0.pkl"),
    "half a character": lambda c: c["shards"]["name"].__setitem__(0, "a\ud800.pkl"),
    "a very long name": lambda c: c["shards"]["name"].__setitem__(0, "a/" * 100_000),
    "another share": lambda c: c["shards"]["name"].__setitem__(0, "//host/share/x"),
    "a drive": lambda c: c["shards"]["name"].__setitem__(0, "C:x"),
    "another device": lambda c: c["shards"]["name"].__setitem__(0, "\\\\?\\C:\\x"),
    "a name that is a number": lambda c: c["shards"]["name"].__setitem__(0, 7),
    "names that are one text": lambda c: c["shards"].update(name="abc"),
    "many variants": lambda c: c.update(variants=2**32 + 1),
    "variants without an end": lambda c: c.update(variants=float("inf")),
    "an offset that wraps": lambda c: c["shards"]["offset"]["images"].__setitem__(0, 2**63 - 1),
    "rows past 64 bits": lambda c: c["shards"]["samples"].__setitem__(0, 2**63 - 1),
    "rows that sum past 64 bits": lambda c: c["shards"].update(samples=[2**62] * 3),
    "bytes that sum past 64 bits": lambda c: c["shards"].update(bytes=[2**62] * 3),
    "an unsigned checksum that wraps": lambda c: c["shards"].update(crc32=[2**64 - 1] * 3),
    "a row past 64 bits": lambda c: c["fields"]["images"].update(shape=[2**40] * 4),
    "a row of a size past 64 bits": lambda c: c["fields"]["images"].update(shape=[2**63, 3]),
    "a shape of texts": lambda c: c["fields"]["images"].update(shape="333"),
    "a shape of True": lambda c: c["fields"]["images"].update(shape=[True]),
    "many dimensions": lambda c: c["fields"]["images"].update(shape=[1] * 100),
    "a dtype that warns": lambda c: c["fields"]["images"].update(dtype="a5"),
    "a dtype that is parsed": lambda c: c["fields"]["images"].update(dtype="i4,(2,3)f8"),
    "a dtype of objects inside": lambda c: c["fields"]["images"].update(dtype=[["a", "|O"]]),
    "a dtype inside a dtype": lambda c: c["fields"]["images"].update(dtype=nested("<i4", 400)),
    "a dtype of many fields": lambda c: c["fields"]["images"].update(
        dtype=[[str(number), "<i4"] for number in range(5_000)]
    ),
    "a huge dtype": lambda c: c["fields"]["images"].update(dtype="|V999999999", shape=[2**40]),
    "counts that are text": lambda c: c.update(class_counts="many"),
    "negative counts": lambda c: c.update(class_counts=[-1]),
    "classes that are a number": lambda c: c.update(classes=5),
    "words that are numbers": lambda c: c.update(vocabulary=[1, 2]),
    "no provenance": lambda c: c.update(made=None),
    "a writer that is a number": lambda c: c.update(writer=1),
    "a long writer": lambda c: c.update(writer="9" * 100_000),
    "a provenance that is text": lambda c: c.update(made="by hand"),
}


def nested(inner, depth):
    for _ in range(depth):
        inner = [["a", inner]]
    return inner


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_index_is_refused(tmp_path, kind):
    make_index(tmp_path).save()
    edit(tmp_path, HOSTILE[kind])
    tracemalloc.start()
    try:
        with pytest.raises(CorruptShardError, match=r"index\.json: the index is damaged") as caught:
            ShardIndex.load(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 1_000
    assert peak < 16 << 20


def test_an_index_whose_samples_do_not_add_up_is_refused_with_both_numbers(tmp_path):
    make_index(tmp_path).save()
    edit(tmp_path, lambda content: content["shards"]["samples"].__setitem__(0, 7))
    with pytest.raises(CorruptShardError, match="it has 30 rows, and its shards have 27"):
        ShardIndex.load(tmp_path)


def test_an_index_that_may_not_be_read_is_not_taken_for_lost(tmp_path, monkeypatch):
    make_index(tmp_path).save()

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(ShardError, match=r"may not be read \(Permission denied\)") as caught:
        ShardIndex.load(tmp_path)
    assert not isinstance(caught.value, CorruptShardError)


def test_a_wrong_url_is_not_a_directory(tmp_path):
    for url in ("s3:/bucket/train", "gs://", "https://host/../x", "file://host/tmp"):
        with pytest.raises(ValueError, match="`directory` "):
            ShardIndex.load(url)
        with pytest.raises(ValueError, match="`shards` "):
            open_shards(url)
        with pytest.raises(ValueError, match="`shards` "):
            open_shards([tmp_path / "a.pkl", url])


@pytest.mark.parametrize("depth", [400, 900, 20_000, 1_000_000])
@pytest.mark.parametrize("where", ["roles", "made", "classes", "dtype"])
def test_deep_nesting_does_not_crash(tmp_path, depth, where):
    make_index(tmp_path).save()
    path = tmp_path / INDEX_NAME
    deep = "[" * depth + '"images"' + "]" * depth
    before = {
        "roles": '"inputs":null',
        "made": '"made":{}',
        "classes": '"classes":null',
        "dtype": '"dtype":"|u1"',
    }[where]
    data = path.read_text()
    assert before in data
    path.write_text(data.replace(before, before.split(":")[0] + ":" + deep))
    with contextlib.suppress(CorruptShardError):
        assert len(ShardIndex.load(tmp_path)) == 3


def test_roles_nested_without_end_are_refused():
    deep: Any = "images"
    for _ in range(33):
        deep = (deep,)
    with pytest.raises(ValueError, match="nested more than 32 deep"):
        as_structure(deep, "inputs")
    assert as_structure(deep[0], "inputs") == deep[0]


def test_the_last_of_two_equal_keys_counts_and_is_checked(tmp_path):
    make_index(tmp_path).save()
    path = tmp_path / INDEX_NAME
    data = path.read_text()
    path.write_text(data.replace('"name":[', '"name":["safe.pkl"],"name":["../evil.pkl",'))
    with pytest.raises(CorruptShardError, match="leads out of the directory"):
        ShardIndex.load(tmp_path)


def test_a_long_version_is_abbreviated(tmp_path):
    make_index(tmp_path).save()
    edit(tmp_path, lambda content: content.update(version="9" * 100_000))
    with pytest.raises(ShardError, match="this release reads versions 1 and 2") as caught:
        ShardIndex.load(tmp_path)
    assert len(str(caught.value)) < 1_000


def test_every_dtype_that_shards_have_is_read_back(tmp_path):
    kinds = ["?", "u1", ">i2", "<f2", "g", "G", "S3", "<U2", "V5", "M8[25s]", "<m8[ns]", "M8"]
    kinds.append(np.dtype([("a", "i1"), ("b", "f8")], align=True))
    kinds.append(np.dtype([(("title", "a"), "i4"), ("b", "M8[D]", (2, 1))]))
    for kind in kinds:
        dtype = np.dtype(kind)
        shard = ShardInfo("0.pkl", 1, 1000, {"r": 10})
        ShardIndex.from_shards(tmp_path, {"r": Field("r", dtype, (3,))}, [shard]).save()
        assert ShardIndex.load(tmp_path).fields["r"].dtype == dtype


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be"])
def test_an_index_in_another_encoding_is_refused_without_an_import(tmp_path, encoding):
    make_index(tmp_path).save()
    path = tmp_path / INDEX_NAME
    data = path.read_text().replace("sub", "s\u00fcb").encode(encoding)
    path.write_bytes(data)
    with nothing_runs(path), pytest.raises(CorruptShardError):
        ShardIndex.load(tmp_path)


def test_half_an_index_is_refused(tmp_path):
    make_index(tmp_path).save()
    path = tmp_path / INDEX_NAME
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorruptShardError, match="cannot be read"):
        ShardIndex.load(tmp_path)


def test_another_programs_index_json_is_refused(tmp_path):
    (tmp_path / INDEX_NAME).write_text('{"version": 2, "shards": []}')
    with pytest.raises(CorruptShardError, match="is not an index of keras_bigdata"):
        ShardIndex.load(tmp_path)


def test_future_version_is_refused_with_both_versions(tmp_path):
    make_index(tmp_path).save()
    edit(tmp_path, lambda content: content.update(version=99))
    with pytest.raises(ShardError, match="version 99; this release reads versions 1 and 2"):
        ShardIndex.load(tmp_path)


@pytest.mark.slow
def test_an_index_of_100_000_shards_opens_in_about_a_second(tmp_path):
    make_index(tmp_path, count=100_000).save()
    start = time.process_time()
    assert len(ShardIndex.load(tmp_path)) == 100_000
    assert time.process_time() - start < 3


# Version of the writer ----------------------------------------------------------------------------


def test_the_version_of_the_writer_is_saved_and_loaded(tmp_path):
    index = make_index(tmp_path)
    assert index.writer_version is None
    index.save()
    assert json.loads((tmp_path / INDEX_NAME).read_text())["writer"] == __version__
    assert index.writer_version == ShardIndex.load(tmp_path).writer_version == __version__
    edit(tmp_path, lambda content: content.pop("writer"))
    assert ShardIndex.load(tmp_path).writer_version is None


def test_a_future_index_names_the_release_to_install(tmp_path):
    make_index(tmp_path).save()
    edit(tmp_path, lambda content: content.update(version=3, writer="3.5.0"))
    with pytest.raises(ShardError, match=r"and 2\. Install keras_bigdata 3\.5\.0, or"):
        ShardIndex.load(tmp_path)


# Representations ----------------------------------------------------------------------------------


def test_representations_are_short(tmp_path):
    index = make_index(Path("shards/train"), count=1411)
    assert repr(index) == "ShardIndex('shards/train': 14,110 rows in 1,411 shards, 2 fields)"
    assert repr(index[0]) == "ShardInfo('sub/00000.pkl': 10 rows, 10.0 KB)"
    assert repr(index.fields["images"]) == "Field('images': uint8 (rows, 4, 4, 3))"
    variant = ShardInfo("a.pkl", 1, 20, {"x": 0}, variant=2)
    assert repr(variant) == "ShardInfo('a.pkl': 1 row, 20 B, variant 2)"
    pair = make_index(Path("shards/train"), count=2, variants=2)
    pair.variant[1] = 1
    assert "10 rows in each of 2 variants in 2 shards" in repr(pair)


def test_representations_do_not_grow_with_the_data(tmp_path):
    words = [f"word {number} " + "x" * 1000 for number in range(10_000)]
    dtype = np.dtype([(f"field {number}", "<i4") for number in range(1000)])
    index = make_index(
        tmp_path, count=10_000, classes=words, class_counts=[1] * 10_000, vocabulary=words
    )
    index.fields |= {f"f{number}": Field("f" * 10_000, dtype, (3,)) for number in range(100)}
    index.skipped_fields = dict.fromkeys(map(str, range(1000)), "x" * 10_000)
    index.classes = {f"target {number}": words for number in range(100)}
    info = ShardInfo("a/" * 2000, 1, 20, dict.fromkeys(map(str, range(1000)), 0))
    for each in (index, info, index.fields["f0"], make_index(tmp_path)):
        assert len(repr(each)) < 500
        assert len(each._repr_html_()) < 15_000


def test_html_representations_are_escaped(tmp_path):
    evil = "<script>alert(1)</script>"
    index = make_index(tmp_path, roles=Roles(inputs={evil: "images"}), classes=[evil])
    info = ShardInfo(evil, 1, 20, {evil: 0})
    for each in (index, info, Field(evil, np.dtype("f4"), ())):
        html = each._repr_html_()
        assert html.startswith("<table>")
        assert "<script>" not in html
        assert "&lt;script&gt;" in html


def test_an_index_shows_what_it_holds(tmp_path):
    index = make_index(
        tmp_path, roles=Roles("images", "labels"), classes=["cat", "dog"], class_counts=[20, 10]
    )
    index.save()
    html = index._repr_html_()
    for text in ("30 rows in 3 shards", "cat, dog", "20, 10", f"keras_bigdata {__version__}"):
        assert text in html
    assert "vocabulary" not in html
