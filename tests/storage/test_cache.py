"""Copies of remote files in a cache: found again, bounded, and never stale."""

import errno
import os
import random
import threading
import time
import zlib

import pytest

from keras_bigdata import CorruptShardError, StorageError
from keras_bigdata.storage.cache import cached_copy
from keras_bigdata.storage.cache.cache_bytes import check_cache_bytes
from keras_bigdata.storage.cache.cache_entry import SUBDIRECTORY, folder_of, temporary_name
from keras_bigdata.storage.cache.open_copy import open_copy
from keras_bigdata.storage.paths.remote_path import CacheSettings
from tests.helpers.remote_files import RemoteFiles, content, files_of, later


@pytest.fixture
def files(monkeypatch, tmp_path):
    """Returns five files of 1,000 bytes in a store, with a cache without a limit."""
    found = RemoteFiles(monkeypatch, f"cache-{tmp_path.name}", tmp_path / "cache")
    for number in range(5):
        found.put(f"{number}.pkl", content(number))
    return found


def limited(files, max_bytes):
    files.cache = CacheSettings(files.cache.directory, max_bytes)
    return files


def marked(files, name):
    """Waits until an entry is marked as being on the disk."""
    path = files_of(files.cache.directory)[files.entry(name)]
    deadline = time.monotonic() + 20
    while path.stat().st_mode & 0o222:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return path


def test_a_file_is_fetched_once(files):
    assert files.read("1.pkl") == content(1)
    assert files.read("1.pkl") == content(1)
    assert files.requests == ["1.pkl"]
    assert list(files_of(files.cache.directory)) == [files.entry("1.pkl")]


def test_a_replaced_file_is_never_served_stale_and_its_former_version_is_removed_first(files):
    limited(files, 3000)
    files.read("1.pkl")
    old = files.entry("1.pkl")
    files.read("0.pkl")
    files.put("1.pkl", content(7))
    assert files.read("1.pkl") == content(7)
    assert set(files_of(files.cache.directory)) == {old, files.entry("0.pkl"), files.entry("1.pkl")}
    os.utime(files_of(files.cache.directory)[old])  # used last, but superseded
    files.read("2.pkl", later({files.entry(f"{n}.pkl"): n + 1.0 for n in range(3)}))
    assert set(files_of(files.cache.directory)) == {files.entry(f"{n}.pkl") for n in range(3)}


def test_two_versions_lie_in_one_cache(files):
    files.read("1.pkl")
    former = zlib.crc32(content(1))
    files.put("1.pkl", content(7))
    files.read("1.pkl")
    with open_copy(files.path("1.pkl"), 1000, former) as copy:
        assert copy.open().read() == content(1)
    assert files.read("1.pkl") == content(7)
    assert len(files.requests) == 2


def test_a_file_without_a_checksum_is_held_in_memory(files):
    with open_copy(files.path("1.pkl"), 1000, None) as copy:
        assert copy.open().read() == content(1)
    assert files_of(files.cache.directory) == {}


def test_a_damaged_remote_file_is_an_error_and_leaves_nothing(files):
    with pytest.raises(CorruptShardError, match="another CRC-32"):
        open_copy(files.path("1.pkl"), 1000, 12345)
    with pytest.raises(CorruptShardError, match="no such file"):
        open_copy(files.path("missing.pkl"), 1000, 12345)
    assert files_of(files.cache.directory) == {}


@pytest.mark.parametrize("size", [0, 999, 1001])
def test_an_entry_of_another_size_is_fetched_again(files, size):
    files.read("1.pkl")
    path = marked(files, "1.pkl")
    path.chmod(0o644)
    os.truncate(path, size)
    assert files.read("1.pkl") == content(1)
    assert files.requests == ["1.pkl", "1.pkl"]
    assert files.read("1.pkl") == content(1)
    assert len(files.requests) == 2


def test_an_empty_file_is_cached(files):
    files.put("empty.pkl", b"")
    assert files.read("empty.pkl") == b""
    assert files.entry("empty.pkl") in files_of(files.cache.directory)


def test_the_entry_that_is_needed_latest_is_removed(files):
    limited(files, 3000)
    for number in range(3):
        files.read(f"{number}.pkl")
    uses = {files.entry("0.pkl"): 5.0, files.entry("1.pkl"): 9.0, files.entry("2.pkl"): 0.0}
    files.read("3.pkl", later({**uses, files.entry("3.pkl"): 0.0}))
    assert set(files_of(files.cache.directory)) == {files.entry(f"{n}.pkl") for n in (0, 2, 3)}


def test_an_open_entry_is_never_removed_and_without_room_the_file_is_held_in_memory(files):
    limited(files, 2000)
    with files.open("0.pkl"), files.open("1.pkl"):
        assert files.read("2.pkl") == content(2)
        assert set(files_of(files.cache.directory)) == {files.entry(f"{n}.pkl") for n in (0, 1)}
    assert files.read("2.pkl") == content(2)
    assert files.entry("2.pkl") in files_of(files.cache.directory)
    assert len(files_of(files.cache.directory)) == 2


def test_entries_that_are_needed_next_are_not_removed(files):
    limited(files, 2000)
    uses = later({files.entry(f"{n}.pkl"): 0.0 for n in range(3)})
    for number in range(3):
        assert files.read(f"{number}.pkl", uses) == content(number)
    assert set(files_of(files.cache.directory)) == {files.entry(f"{n}.pkl") for n in (0, 1)}


def test_nothing_is_removed_for_a_file_that_does_not_fit(files):
    limited(files, 2500)
    files.read("0.pkl")
    files.put("large.pkl", content(9, 2600))
    assert files.read("large.pkl") == content(9, 2600)
    with files.open("1.pkl"):
        files.put("medium.pkl", content(9, 2000))
        assert files.read("medium.pkl") == content(9, 2000)
    assert set(files_of(files.cache.directory)) == {files.entry(f"{n}.pkl") for n in (0, 1)}


def test_a_smaller_limit_holds_from_the_next_download_on(files):
    for number in range(4):
        files.read(f"{number}.pkl")
    limited(files, 2000).read("4.pkl")
    assert len(files_of(files.cache.directory)) == 2


def test_nothing_of_the_user_is_removed(files, tmp_path):
    cache = tmp_path / "cache"
    (cache / SUBDIRECTORY / "ab").mkdir(parents=True)
    mine = [
        cache / "shard-00000.pkl",
        cache / SUBDIRECTORY / "shard-00000.pkl",
        cache / SUBDIRECTORY / "ab" / ".tmp-0123abcd-shard.pkl",
        cache / SUBDIRECTORY / "ab" / "copy of 0.pkl",
        cache / files.entry("0.pkl"),
    ]
    for path in mine:
        path.write_bytes(b"x" * 5000)
    limited(files, 1000)
    for number in range(5):
        assert files.read(f"{number}.pkl") == content(number)
    assert all(path.stat().st_size == 5000 for path in mine)


def test_what_a_killed_download_left_is_removed_and_a_running_one_is_not(files):
    files.read("1.pkl")
    root = os.path.join(files.cache.directory, SUBDIRECTORY)
    left = os.path.join(root, folder_of(files.entry("0.pkl")), temporary_name(files.entry("0.pkl")))
    os.makedirs(os.path.dirname(left), exist_ok=True)
    with open(left, "wb"):
        pass
    limited(files, 2000).read("2.pkl")
    assert set(files_of(files.cache.directory)) == {files.entry(f"{n}.pkl") for n in (1, 2)}


def test_threads_that_open_one_file_fetch_it_once(files):
    start = threading.Barrier(8)
    found = []

    def read():
        start.wait()
        found.append(files.read("1.pkl"))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [content(1)] * 8
    assert files.requests == ["1.pkl"]


def test_threads_that_read_more_than_fits_stay_within_the_limit(files, tmp_path):
    limited(files, 3500)
    for number in range(5, 12):
        files.put(f"{number}.pkl", content(number))
    failed, largest = [], []

    def read(seed):
        rng = random.Random(seed)
        try:
            for _ in range(40):
                number = rng.randrange(12)
                uses = {files.entry(f"{n}.pkl"): rng.choice([0.0, 1.0, 2.0]) for n in range(6)}
                assert files.read(f"{number}.pkl", later(uses)) == content(number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    directory = cached_copy.cache_directory(files.cache.directory)
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        with directory._locked():
            largest.append(len(files_of(files.cache.directory)))  # with unfinished downloads
        time.sleep(0.001)
    assert failed == []
    assert max(largest) == 3


def test_a_download_of_a_suspended_process_is_not_waited_for_without_end(files, monkeypatch):
    monkeypatch.setattr(cached_copy, "STALLED_SECONDS", 0.05)
    directory = cached_copy.cache_directory(files.cache.directory)
    download = directory.begin_download(files.entry("1.pkl"), 1000, None, None)
    assert files.read("1.pkl") == content(1)
    assert [name.startswith(".tmp-") for name in files_of(files.cache.directory)] == [True]
    with pytest.raises(RuntimeError), directory.discarded_on_error(download):
        raise RuntimeError
    assert files_of(files.cache.directory) == {}


def full_disk(monkeypatch, files, room):
    """Makes the disk full when the cache has written so many files."""

    def allocate(descriptor, offset, size):
        entries = [name for name in files_of(files.cache.directory) if name[0] != "."]
        if len(entries) >= room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", allocate)


def test_on_a_full_disk_entries_are_removed(files, monkeypatch):
    full_disk(monkeypatch, files, 2)
    uses = later({files.entry(f"{n}.pkl"): float(n + 1) for n in range(5)})
    for number in range(5):
        assert files.read(f"{number}.pkl", uses) == content(number)
    assert set(files_of(files.cache.directory)) == {files.entry(f"{n}.pkl") for n in (0, 4)}


def test_a_full_disk_is_an_error_that_leaves_nothing(files, monkeypatch):
    full_disk(monkeypatch, files, 1)
    with files.open("0.pkl"):
        with pytest.raises(StorageError, match=r"disk is full.*smaller `cache_bytes`"):
            files.read("1.pkl")
        assert list(files_of(files.cache.directory)) == [files.entry("0.pkl")]
    assert files.read("1.pkl") == content(1)


def test_a_write_that_fails_is_an_error_that_leaves_nothing(files, monkeypatch):
    def pwrite(descriptor, data, offset):
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        with pytest.raises(StorageError, match="ulimit"):
            files.read("1.pkl")
    assert files_of(files.cache.directory) == {}
    assert files.read("1.pkl") == content(1)


def test_a_cache_that_is_not_a_directory_is_an_error(files, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StorageError, match=r"cache cannot hold.*another directory"):
        files.read("1.pkl")


def test_a_link_in_place_of_an_entry_is_an_error_and_stays(files, tmp_path):
    files.read("1.pkl")
    entry = files_of(files.cache.directory)[files.entry("1.pkl")]
    entry.unlink()
    (tmp_path / "mine").write_bytes(content(2))
    entry.symlink_to(tmp_path / "mine")
    with pytest.raises(StorageError, match="subdirectory"):
        files.read("1.pkl")
    limited(files, 1000)
    assert files.read("2.pkl") == content(2)
    assert entry.is_symlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permissions_is_an_error(files, tmp_path):
    (tmp_path / "cache").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="permissions"):
        files.read("1.pkl")


def test_too_many_open_files_is_left_to_the_caller(files, monkeypatch):
    def no_descriptor(*arguments, **options):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(cached_copy.uninherited_descriptors, "open_not_inherited", no_descriptor)
    with pytest.raises(OSError, match="Too many open files") as caught:
        files.read("1.pkl")
    assert caught.value.errno == errno.EMFILE


def test_a_file_system_without_locks_serves_the_same(files, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def flock(descriptor, operation):
        raise OSError(errno.EOPNOTSUPP, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    limited(files, 2000)
    for number in [0, 1, 1, 2, 3, 4, 4, 0]:
        assert files.read(f"{number}.pkl") == content(number)
        assert len(files_of(files.cache.directory)) <= 2
    assert len(files.requests) == 6
    with files.open("1.pkl") as copy:
        files.read("2.pkl")
        files.read("3.pkl")
        assert copy.open().read() == content(1)


def test_a_limit_smaller_than_needed_is_refused_with_the_number():
    check_cache_bytes(None, 1000)
    check_cache_bytes(CacheSettings("/cache", None), 1000)
    check_cache_bytes(CacheSettings("/cache", 1000), 1000)
    with pytest.raises(ValueError, match=r"take 12,345 bytes.*cache_bytes=1,000"):
        check_cache_bytes(CacheSettings("/cache", 1000), 12345)


def test_an_entry_that_a_power_cut_may_have_emptied_is_compared_with_its_checksum(files):
    files.read("1.pkl")
    path = marked(files, "1.pkl")
    path.chmod(0o644)
    path.write_bytes(bytes(1000))
    cached_copy.cache_directory(files.cache.directory)._whole.clear()  # as in the next process
    assert files.read("1.pkl") == content(1)
    assert files.requests == ["1.pkl", "1.pkl"]


def test_an_entry_that_is_whole_is_marked_by_the_next_process(files):
    files.read("1.pkl")
    path = marked(files, "1.pkl")
    path.chmod(0o644)
    cached_copy.cache_directory(files.cache.directory)._whole.clear()
    assert files.read("1.pkl") == content(1)
    marked(files, "1.pkl")
    assert files.requests == ["1.pkl"]
