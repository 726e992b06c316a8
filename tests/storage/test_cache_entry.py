"""Names of the files of a cache."""

import pytest

from keras_bigdata.storage.cache.cache_entry import (
    downloaded_entry,
    entry_name,
    folder_of,
    parse_entry,
    temporary_name,
)
from keras_bigdata.storage.paths.remote_path import RemotePath


@pytest.mark.parametrize(
    "url", ["s3://b/set/0.pkl", "s3://b/" + "x" * 300, "gs://b/ä ö/.tmp-x", "https://h/a%2Fb.pkl"]
)
def test_a_name_holds_the_size_and_is_recognized(url):
    name = entry_name(RemotePath(url), 1234, 2**32 - 1)
    assert parse_entry(name).size == 1234
    assert len(name) < 140
    assert name.isascii()
    assert "/" not in name
    assert not name.startswith(".")
    assert len(folder_of(name)) == 2
    temporary = temporary_name(name)
    assert downloaded_entry(temporary) == name
    assert parse_entry(temporary) is None
    assert downloaded_entry(name) is None


def test_url_checksum_and_size_tell_entries_apart():
    path = RemotePath("s3://b/set/0.pkl")
    other = RemotePath("s3://b/other/0.pkl")
    names = [
        entry_name(path, 10, 1),
        entry_name(path, 10, 2),
        entry_name(path, 11, 1),
        entry_name(other, 10, 1),
    ]
    assert len(set(names)) == 4
    parsed = [parse_entry(name) for name in names]
    assert len({each.url for each in parsed}) == 2
    assert len({each.group for each in parsed}) == 2


@pytest.mark.parametrize(
    "name",
    ["0.pkl", "shard-00000-0123abcd-100", "", "a-b-c-d-e", ".tmp-01234567-0.pkl", "index.json"],
)
def test_other_names_are_not_of_a_cache(name):
    assert parse_entry(name) is None
    assert downloaded_entry(name) is None
