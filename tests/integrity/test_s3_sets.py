"""`verify`, `repair` and columns of sets on an S3 server on loopback."""

import pytest

from keras_bigdata import ShardIndex, Shards, pack, repair, verify
from keras_bigdata.cli import main
from tests.integrity.small_sets import Numbers

pytest.importorskip("s3fs")
servers = pytest.importorskip("tests.helpers.s3_server")


@pytest.fixture
def bucket(tmp_path):
    """Returns the URL of 8 shards of 7 rows, the options of its driver, and the driver."""
    server = servers.S3Server()
    try:
        url = f"{server.new_bucket()}/sets/train"
        pack(Numbers(56), tmp_path / "set", shard_samples=7, workers=1, verbose=0)
        store = server.filesystem()
        for path in (tmp_path / "set").iterdir():
            if path.is_file():
                store.pipe_file(f"{url}/{path.name}", path.read_bytes())
        yield url, server.options, store
    finally:
        server.close()


@pytest.mark.slow
def test_a_damaged_set_on_s3_is_verified_and_repaired(bucket, tmp_path, capsys):
    url, options, store = bucket
    assert verify(url, tmp_path / "set", storage_options=options, verbose=0).faults[0].kind == (
        "duplicates"
    )
    shards = Shards(url, storage_options=options)
    local = Shards(tmp_path / "set").where(lambda columns: columns["labels"] == 1)
    found = shards.where(lambda columns: columns["labels"] == 1)
    assert found.columns("row")["row"].tolist() == local.columns("row")["row"].tolist()
    broken = f"{url}/shard-00004.pkl"
    data = bytearray(store.cat_file(broken))
    data[int(shards.index[4].offsets["x"]) + 2] ^= 4
    store.pipe_file(broken, bytes(data))
    store.rm_file(f"{url}/shard-00006.pkl")
    kinds = [fault.kind for fault in verify(url, storage_options=options, verbose=0).faults]
    assert kinds == ["checksum", "missing"]
    assert repair(url, storage_options=options, dry_run=False, verbose=0).done
    assert store.cat_file(f"{url}/quarantine/shard-00004.pkl.quarantined") == bytes(data)
    assert not store.exists(broken)
    assert verify(url, storage_options=options, verbose=0).ok
    store.pipe_file(f"{url}/index.json", b"{")
    done = repair(url, storage_options=options, dry_run=False, verbose=0)
    assert done.done
    index = ShardIndex.load(url, storage_options=options)
    assert (len(index), index.num_samples) == (6, 42)
    endpoint = options["client_kwargs"]["endpoint_url"]
    command = ["info", url, f"--storage-option=key={options['key']}"]
    command += [f"--storage-option=secret={options['secret']}"]
    assert main([*command, f'--storage-option=client_kwargs={{"endpoint_url": "{endpoint}"}}']) == 0
    assert "samples: 42" in capsys.readouterr().out
