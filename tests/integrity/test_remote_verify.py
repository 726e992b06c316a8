"""`verify` of sets behind URLs: the faults are those of the directory, each shard is read once."""

import numpy as np
import pytest

from keras_bigdata import Arrays, ShardError, ShardIndex, StorageError, pack, verify
from tests.helpers.image_files import write_image
from tests.helpers.remote_sets import Requests, damage_url, packed_url, refuse, remove, upload
from tests.integrity.small_sets import Numbers

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def url(tmp_path):
    """Returns the URL of 8 shards of 7 rows; the directory is `tmp_path / "set"`."""
    url = packed_url(tmp_path, Numbers(56), shard_samples=7, workers=1)
    yield url
    remove(url)


def described(report, place):
    return [
        (fault.file.removeprefix(str(place)), fault.kind, fault.expected, fault.found)
        for fault in report.faults
    ]


def test_a_sound_set_is_read_once(url, tmp_path, monkeypatch):
    requests = Requests(monkeypatch)
    report = verify(url, verbose=0)
    assert report.ok
    assert report.notes == []
    local = verify(tmp_path / "set", verbose=0)
    assert (report.shards, report.rows, report.nbytes) == (local.shards, local.rows, local.nbytes)
    assert str(report.directory) == url
    sizes = {
        f"shard-{shard:05d}.pkl": size for shard, size in enumerate(ShardIndex.load(url).sizes)
    }
    labels = 7 * 4  # counted again for the class counts of the index
    assert {
        file: count - labels
        for file, count in requests.bytes_of().items()
        if count and file in sizes
    } == sizes
    assert len([each for each in requests.sent if each[0] in ("find", "ls")]) <= 2


def test_the_faults_are_those_of_a_directory_with_the_url(url, tmp_path):
    damage_url(url)
    fsspec.filesystem("memory").pipe_file(f"{url}/other.pkl", b"x")
    for file in (tmp_path / "set").glob("shard-*"):
        store = fsspec.filesystem("memory")
        target = f"{url}/{file.name}"
        if store.exists(target):
            file.write_bytes(store.cat_file(target))
        else:
            file.unlink()
    (tmp_path / "set" / "other.pkl").write_bytes(b"x")
    remote, local = verify(url, verbose=0), verify(tmp_path / "set", verbose=0)
    assert described(remote, url) == described(local, tmp_path / "set")
    assert [fault.kind for fault in remote.faults] == ["size", "checksum", "missing", "extra"]
    assert all(fault.file.startswith(f"{url}/") for fault in remote.faults)
    assert (remote.rows, remote.nbytes) == (local.rows, local.nbytes)


def test_wrong_bytes_of_one_reading_are_not_a_fault(url, monkeypatch):
    driver = type(fsspec.filesystem("memory"))
    original, wrong = driver.cat_file, []

    def cat_file(self, path, start=None, end=None, **options):
        data = original(self, path, start, end, **options)
        if path.endswith("shard-00003.pkl") and not wrong:
            wrong.append(path)
            return bytes(len(data))
        return data

    monkeypatch.setattr(driver, "cat_file", cat_file)
    assert verify(url, verbose=0).ok
    assert wrong


def test_a_store_that_refuses_is_not_a_fault_of_the_shards(url, monkeypatch):
    refuse(monkeypatch, "cat_file", "denied", "shard-00003.pkl")
    with pytest.raises(StorageError, match=r"memory://.*shard-00003\.pkl.*denied"):
        verify(url, verbose=0)


def test_encoded_images_and_rows_of_any_length_are_checked_in_the_same_reading(
    tmp_path, monkeypatch
):
    from keras_bigdata import ImageFolder

    for number in range(6):
        write_image(tmp_path / "photos" / "ab"[number % 2] / f"{number}.png", number)
    url = packed_url(tmp_path, ImageFolder(tmp_path / "photos", store="file"), workers=1)
    try:
        requests = Requests(monkeypatch)
        assert verify(url, verbose=0).ok
        index = ShardIndex.load(url)
        name = index.names[0]
        # The labels are read a second time, for the class counts.
        extra = requests.bytes_of()[name] - int(index.sizes[0])
        assert 0 <= extra <= 8 * index.num_samples
    finally:
        remove(url)


def test_two_sets_are_compared_wherever_they_lie(url, tmp_path):
    for pair in ((url, tmp_path / "other"), (tmp_path / "other", url)):
        if not (tmp_path / "other").exists():
            pack(Numbers(10, add=51), tmp_path / "other", workers=1, verbose=0)
        report = verify(*pair, verbose=0)
        assert [fault.kind for fault in report.faults] == ["duplicates"]
        assert report.faults[0].found.startswith("5,")
    with pytest.raises(ShardError, match="`against` is the directory that is verified"):
        verify(url, url, verbose=0)


def test_options_without_a_url_are_refused(tmp_path, url):
    with pytest.raises(ValueError, match="`storage_options` is for URLs"):
        verify(tmp_path / "set", storage_options={"anon": True})
    assert verify(url, storage_options={"skip_instance_cache": True}, verbose=0).ok
    assert verify(tmp_path / "set", url, storage_options={}, verbose=0).faults


def test_a_damaged_index_is_a_fault_and_a_missing_one_says_what_to_do(url, tmp_path):
    store = fsspec.filesystem("memory")
    store.pipe_file(f"{url}/index.json", b"{")
    (fault,) = verify(url, verbose=0).faults
    assert (fault.kind, fault.file) == ("index", f"{url}/index.json")
    store.rm(f"{url}/index.json")
    with pytest.raises(ShardError, match=r"has no index\.json.*pack"):
        verify(url, verbose=0)
    store.pipe_file(f"{url}/.packing/state.json", b"{}")
    (fault,) = verify(url, verbose=0).faults
    assert fault.kind == "unfinished"
    with pytest.raises(ShardError, match="there are no files at this URL"):
        verify(f"{url}-other", verbose=0)


def test_sets_below_the_directory_and_hidden_files_are_not_extra(url, tmp_path):
    pack(Arrays(x=np.zeros((3, 2)), labels=np.zeros(3, int)), tmp_path / "sub", verbose=0)
    upload(tmp_path / "sub", f"{url.removeprefix('memory://')}/sub")
    fsspec.filesystem("memory").pipe_file(f"{url}/.hidden/a.pkl", b"x")
    assert verify(url, verbose=0).ok
