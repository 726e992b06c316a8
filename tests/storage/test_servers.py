"""The servers of the tests answer as the tests of remote sets expect."""

import aiohttp  # noqa: F401
import fsspec
import pytest

from tests.helpers.web_server import Faults


@pytest.fixture
def file(web):
    content = bytes(range(256)) * 8
    (web.directory / "a.bin").write_bytes(content)
    return f"{web.url}/a.bin", content


def driver():
    return fsspec.filesystem("http", skip_instance_cache=True)


def test_the_web_server_serves_files_and_ranges_and_counts(web, file):
    url, content = file
    assert driver().cat_file(url) == content
    assert driver().cat_file(url, start=3, end=10) == content[3:10]
    assert driver().info(url)["size"] == len(content)
    with pytest.raises(FileNotFoundError):
        driver().cat_file(f"{web.url}/b.bin")
    methods = [method for method, path, _ in web.requests if path == "/a.bin"]
    assert methods == ["GET", "GET", "HEAD"]
    assert web.bytes_sent == len(content) + 7 + len(b"no such file")


@pytest.mark.parametrize("fault", ["error", "reset", "stall", "cut", "wrong"])
def test_the_web_server_has_faults(web, file, fault):
    url, content = file
    # aiohttp repeats a request by itself if its connection is closed without an answer.
    web.faults = Faults(**{fault: 1.0, "stall_seconds": 0.2, "in_a_row": 2})
    try:
        first = driver().cat_file(url)
    except Exception as error:
        first = error
    assert first != content
    assert web.given[fault]
    web.faults = Faults()
    assert driver().cat_file(url) == content


def test_the_web_server_ignores_ranges_and_keeps_its_length_to_itself(web, file):
    url, content = file
    web.faults = Faults(whole=1.0, no_length=1.0)
    assert driver().cat_file(url, start=3, end=10) == content
    assert driver().info(url)["size"] is None


@pytest.mark.slow
def test_the_s3_server_keeps_files(s3):
    url = s3.new_bucket()
    store = s3.filesystem()
    store.pipe_file(f"{url}/a/b.bin", b"content")
    assert list(store.find(url)) == [f"{url.removeprefix('s3://')}/a/b.bin"]
    assert store.cat_file(f"{url}/a/b.bin", start=1, end=3) == b"on"
