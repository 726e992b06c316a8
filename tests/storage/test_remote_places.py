"""Where a URL is taken, and what is said where it is not; how URLs are shown."""

import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    CorruptShardError,
    HDF5Table,
    ImageFolder,
    ImageTable,
    ShardError,
    ShardIndex,
    Shards,
    ShardSequence,
    TextTable,
    encode_images,
    encode_texts,
    pack,
    repair,
    verify,
)
from keras_bigdata.representation import shorten
from keras_bigdata.storage.paths.joined_places import JoinedPlaces
from keras_bigdata.storage.paths.place import as_place
from keras_bigdata.storage.paths.remote_path import RemotePath
from tests.helpers.image_files import write_image
from tests.helpers.remote_sets import Requests, packed_url, remove, upload

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def photos(tmp_path):
    for number in range(4):
        write_image(tmp_path / "photos" / "yx"[number % 2] / f"{number}.png", number)
    url = packed_url(
        tmp_path, ImageFolder(tmp_path / "photos", size=(4, 4), classes=["y", "x"]), workers=1
    )
    yield url
    remove(url)


def test_new_images_and_classes_follow_the_index_of_a_url(photos, tmp_path, monkeypatch):
    index = ShardIndex.load(photos)
    requests = Requests(monkeypatch)
    images = encode_images([tmp_path / "photos" / "x" / "3.png"], index)
    assert (images == 3).all()
    again = ImageFolder(tmp_path / "photos", size=(4, 4), classes=index)
    assert again.classes == ["y", "x"]
    assert not len(requests)


def test_new_texts_follow_the_index_of_a_url(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("text,label\na b,x\nc,y\n")
    table = TextTable(tmp_path / "t.csv", text="text", label="label")
    url = packed_url(tmp_path, table, workers=1)
    try:
        index = ShardIndex.load(url)
        requests = Requests(monkeypatch)
        np.testing.assert_array_equal(encode_texts(["c a"], index), encode_texts(["c a"], table))
        assert not len(requests)
        assert TextTable(
            tmp_path / "t.csv", text="text", label="label", vocabulary=index
        ).vocabulary == list(table.vocabulary)
    finally:
        remove(url)


def test_sources_and_files_are_local_and_say_so(photos, tmp_path):
    (tmp_path / "t.csv").write_text("file,label\ns3://b/a.png,x\ns3://b/b.png,y\n")
    url = "s3://bucket/x"
    for argument, call in {
        "table": lambda: TextTable(url, text="t", label="l"),
        "directory": lambda: ImageFolder(url, size=(4, 4)),
        "root": lambda: ImageTable(
            tmp_path / "t.csv", image="file", label="label", size=(4, 4), root=url
        ),
        "path": lambda: HDF5Table(url, "x", "y"),
        "cache": lambda: Shards(photos, cache=url),
    }.items():
        with pytest.raises(
            ValueError, match=rf"`{argument}` must be a path.*URLs are for sets of shards"
        ):
            call()
    with pytest.raises(ValueError, match=r"`files` .*'s3://bucket/x', which is not read: download"):
        encode_images([url], ShardIndex.load(photos))
    with pytest.raises(TypeError, match=r"ShardIndex\.load.*memory://"):
        encode_images([tmp_path / "photos" / "x" / "3.png"], photos)
    with pytest.raises(ValueError, match=r"ShardIndex\.load.*Received: classes='memory://"):
        ImageFolder(tmp_path / "photos", size=(4, 4), classes=photos)


def test_a_url_without_an_index_says_what_is_there(tmp_path):
    with pytest.raises(CorruptShardError, match=r"nor any other at memory://none/x\. Check"):
        Shards("memory://none/x")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "0.pkl").write_bytes(b"x")
    url = upload(tmp_path / "bare", f"{tmp_path.name}/bare")
    try:
        for open_set in (Shards, ShardIndex.load, lambda place: ShardSequence(place, 4)):
            with pytest.raises(
                CorruptShardError, match=r"holds 0\.pkl.*keras-bigdata repair memory"
            ):
                open_set(url)
        for state in (".packing", ".writing"):
            fsspec.filesystem("memory").pipe_file(f"{url}/{state}/a", b"")
            with pytest.raises(ShardError, match="is not complete"):
                Shards(url)
            fsspec.filesystem("memory").rm(f"{url}/{state}", recursive=True)
    finally:
        remove(url)


def test_the_url_of_a_pickle_is_refused(photos):
    for shards in (f"{photos}/shard-00000.pkl", [f"{photos}/shard-00000.pkl"]):
        with pytest.raises(CorruptShardError, match=r"has the name of a pickle.*Pass memory://"):
            Shards(shards)


def test_the_scheme_of_a_url_may_be_in_capitals(photos):
    shards = Shards(photos.replace("memory://", "Memory://"))
    assert shards.num_samples == 4
    assert as_place("S3://bucket/train/", "directory").url == "s3://bucket/train"


def test_a_set_that_is_named_in_two_spellings_is_not_served_twice(photos):
    with pytest.raises(ShardError, match="are the same directory"):
        Shards([photos, photos.replace("memory://", "memory:///")])


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("s3a://bucket/x", "s3://bucket/x"),
        ("gcs://bucket/x", "gs://bucket/x"),
        ("https://Example.ORG/Data/x/", "https://example.org/Data/x"),
        ("abfs://container/x", "az://container/x"),
        ("abfss://c@account.dfs.core.windows.net/x", "abfss://c@account.dfs.core.windows.net/x"),
    ],
)
def test_a_place_has_one_url(url, same):
    assert as_place(url, "directory").url == same


@pytest.mark.parametrize("url", ["s3://bucket//train", "memory://bucket/a//b/"])
def test_two_slashes_in_a_row_are_refused_before_anything_is_written(url):
    with pytest.raises(ValueError, match=r"two slashes.*Pass '\w+://bucket/"):
        pack(Arrays(x=np.zeros((2, 1)), labels=np.zeros(2, int)), url, workers=1)


def test_long_urls_are_shortened_in_the_middle(tmp_path):
    long = f"{tmp_path.name}/" + "/".join(["a-very-long-name"] * 20) + "/the-set"
    pack(Arrays(x=np.zeros((4, 2)), labels=np.arange(4) % 2), tmp_path / "set", verbose=0)
    url = upload(tmp_path / "set", long)
    try:
        for made in (
            Shards(url, storage_options={"key": "a-secret"}),
            ShardIndex.load(url),
            ShardSequence(url, 2, workers=0),
            verify(url, verbose=0),
            repair(url, verbose=0),
        ):
            shown = repr(made)
            assert len(shown) < 320
            assert "/the-set'" in shown
            assert "memory://" in shown
            assert "/the-set" in made._repr_html_()
            assert "a-secret" not in shown + made._repr_html_()
    finally:
        remove(url)
    assert shorten("/a/" + "b" * 50, 20) == "/a/bbbbbbbbbbbbbb..."
    assert shorten("s3://bucket/" + "b" * 50 + "/set", 20) == "s3://buck...bbbb/set"


def test_many_places_are_not_all_listed():
    places = tuple(RemotePath(f"s3://bucket/{number}") for number in range(500))
    text = str(JoinedPlaces(places, 2))
    assert text == "s3://bucket/0, s3://bucket/1, s3://bucket/2 and 497 more and 2 local"
    assert str(JoinedPlaces(places[:1], 1)) == "s3://bucket/0 and 1 local"
