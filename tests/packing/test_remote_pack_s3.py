"""`pack` into an S3 server, in several processes, killed at any moment, twice at the same time."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import Arrays, PackError, ShardIndex, StorageError, pack
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.urls.storage_options import StorageOptions
from tests.helpers.packs import read_files
from tests.helpers.packs_in_stores import read_store, start_program
from tests.helpers.s3_server import S3Server
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    pytest.importorskip("moto")
    server = S3Server()
    yield server
    server.close()


def test_a_file_is_created_only_once(server: S3Server):
    place = RemotePath(f"{server.new_bucket()}/a.json", StorageOptions(server.options))
    place.write_bytes(b"first", only_new=True)
    with pytest.raises(FileExistsError):
        place.write_bytes(b"second", only_new=True)
    assert place.read_bytes() == b"first"
    place.remove()
    place.remove()  # which is not there
    assert not place.exists()


def test_a_large_shard_is_uploaded_in_parts(server: S3Server, tmp_path: Path):
    """s3fs has parts of 50 MiB, and uploads a file of 100 MiB at once."""
    x = np.random.default_rng(0).integers(0, 255, (120, 2**20), np.uint8)
    pack(Arrays(x=x), tmp_path / "set", shard_samples=120, verbose=0)
    url = f"{server.new_bucket()}/set"
    pack(Arrays(x=x), url, shard_samples=120, verbose=0, storage_options=server.options)
    assert read_store(url, server.options) == read_files(tmp_path / "set")


def test_a_bucket_that_does_not_exist(server: S3Server):
    url = "s3://no-such-bucket/set"
    with pytest.raises(StorageError, match=f"{url}.*bucket or container does not exist") as caught:
        pack(Arrays(x=np.zeros((4, 2))), url, storage_options=server.options, verbose=0)
    assert server.secret not in str(caught.value)


def test_a_folder_that_a_console_has_made_is_empty(server: S3Server):
    boto3 = pytest.importorskip("boto3")
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
        region_name="us-east-1",
    )
    bucket = server.new_bucket()
    client.put_object(Bucket=bucket.removeprefix("s3://"), Key="set/", Body=b"")
    url = f"{bucket}/set"
    pack(Arrays(x=np.zeros((4, 2))), url, storage_options=server.options, verbose=0)
    assert ShardIndex.load(url, storage_options=server.options).num_samples == 4


def test_processes_that_are_killed_and_continued(server: S3Server, tmp_path: Path):
    """Each kill is at another moment; the next call needs no waiting on the same machine."""
    options = json.dumps(server.options)
    with start_program(tmp_path, tmp_path / "set") as process:
        process.communicate()
    url = f"{server.new_bucket()}/set"
    for shards in (1, 9):
        program = start_program(tmp_path, url, options=options, workers=2, seconds_per_row=0.02)
        with program as process:
            wait_for(lambda n=shards: uploaded(url, server) >= n)
            process.send_signal(signal.SIGKILL)
        contents = read_store(url, server.options)
        assert not any(server.secret.encode() in content for content in contents.values())
    with start_program(tmp_path, url, options=options, workers=2) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert server.secret not in errors
    assert read_store(url, server.options) == read_files(tmp_path / "set")
    assert ShardIndex.load(url, storage_options=server.options).num_samples == 120


def test_of_two_packs_at_the_same_time_one_is_refused(server: S3Server, tmp_path: Path):
    options = json.dumps(server.options)
    url = f"{server.new_bucket()}/set"
    programs = [
        start_program(tmp_path, url, options=options, seconds_per_row=0.03) for _ in range(2)
    ]
    errors = [program.communicate()[1] for program in programs]
    assert sorted(program.returncode for program in programs) == [0, 1], errors
    refused = errors[[program.returncode for program in programs].index(1)]
    assert "is being packed by process" in refused
    assert ShardIndex.load(url, storage_options=server.options).num_samples == 120
    assert not [name for name in read_store(url, server.options) if name.startswith(".")]


def test_shards_are_written_again_from_their_source(server: S3Server, tmp_path: Path):
    source = Arrays(x=np.arange(40.0).reshape(20, 2))
    url = f"{server.new_bucket()}/set"
    index = pack(source, url, shard_samples=4, storage_options=server.options, verbose=0)
    before = read_store(url, server.options)
    from keras_bigdata.integrity.repack import Repacker

    (RemotePath(url, StorageOptions(server.options)) / index.names[2]).remove()
    repacker = Repacker(index, source, None)
    for name, file in repacker.write([index[1], index[2]], workers=2).items():
        repacker.put_in_place(name, file)
    repacker.clear()
    assert read_store(url, server.options) == before
    with pytest.raises(PackError, match="another source"):
        Repacker(index, Arrays(x=np.zeros((20, 2))), None)


def uploaded(url: str, server: S3Server) -> int:
    """Returns the number of shards that are recorded."""
    time.sleep(0.1)  # the server has other work to do
    names = server.filesystem().find(url)
    return sum("/.packing/shard-" in name or name.endswith("index.json") for name in names)
