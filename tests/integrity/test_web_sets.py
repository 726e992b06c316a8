"""`verify` and commands on a set of a web server, which has no listings."""

import functools
import http.server
import threading

import pytest

from keras_bigdata import ShardError, Shards, pack, repair, verify
from keras_bigdata.cli import main
from tests.integrity.small_sets import Numbers

pytest.importorskip("aiohttp")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files whole, whatever range is requested, and no directories."""

    def log_message(self, *arguments):
        pass

    def list_directory(self, path):
        self.send_error(404)


@pytest.fixture
def web(tmp_path):
    """Returns the URL of 4 shards of 7 rows; the directory is `tmp_path / "set"`."""
    pack(Numbers(28), tmp_path / "set", shard_samples=7, workers=1, verbose=0)
    handler = functools.partial(Handler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/set"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_set_of_a_web_server_is_verified(web, tmp_path, capsys):
    report = verify(web, verbose=0)
    assert report.ok
    assert "no listing" in report.notes[0]
    assert main(["info", web]) == 0
    assert "samples: 28" in capsys.readouterr().out
    assert Shards(web).where(lambda columns: columns["labels"] == 1).num_samples == 9
    shard = tmp_path / "set" / "shard-00002.pkl"
    data = bytearray(shard.read_bytes())
    data[-40] ^= 1
    shard.write_bytes(data)
    (tmp_path / "set" / "shard-00001.pkl").unlink()
    faults = verify(web, verbose=0).faults
    assert [(fault.kind, fault.file) for fault in faults] == [
        ("missing", f"{web}/shard-00001.pkl"),
        ("checksum", f"{web}/shard-00002.pkl"),
    ]
    with pytest.raises(ShardError, match="only read"):
        repair(web, dry_run=False)
    (tmp_path / "set" / "index.json").unlink()
    with pytest.raises(ShardError, match=r"index\.json: there is no such file\. Check the URL"):
        Shards(web)
    assert [fault.kind for fault in verify(web, verbose=0).faults] == ["index"]
