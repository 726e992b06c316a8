"""Sets behind URLs in other surroundings: forked children, workers, buckets, joined sets."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from keras_bigdata import Shards, ShardSequence, ShardWriter
from tests.helpers.forking import fork
from tests.helpers.paths import ROOT

pytest.importorskip("fsspec")


def labels(sequence, epoch=0):
    return [np.asarray(sequence.server.batch(epoch, i)[1]) for i in range(len(sequence))]


def assert_equal(one, other):
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_rows_of_similar_length_form_batches_of_a_remote_set(tmp_path, store):
    rng = np.random.default_rng(0)
    with ShardWriter(tmp_path / "set", inputs="t", targets="labels") as writer:
        for shard in range(8):
            t = np.empty(20, object)
            t[:] = [np.zeros(rng.integers(1, 40), "int32") for _ in range(20)]
            writer.write({"t": t, "labels": np.arange(20) + 20 * shard})
    options = {"seed": 1, "window_shards": 2, "bucket": "t"}
    remote = ShardSequence(store.upload(tmp_path / "set"), 4, **options)
    local = ShardSequence(tmp_path / "set", 4, **options)
    assert_equal(labels(remote), labels(local))
    remote.server.prefetcher.release()


def test_local_and_remote_shards_of_a_joined_set(directory, store):
    url = store.upload(directory)
    joined = ShardSequence(Shards([url, directory]), 16, seed=1, window_shards=3)
    found = np.sort(np.concatenate(labels(joined)))
    np.testing.assert_array_equal(found, np.repeat(np.arange(240), 2))
    assert len(set(store.shards())) == 24
    joined.server.prefetcher.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:os.fork:RuntimeWarning")
def test_a_forked_child_uses_threads_of_its_own(directory, store):
    store.delay = 0.02
    sequence = ShardSequence(store.upload(directory), 3, seed=1, window_shards=3, workers=0)
    for index in range(3):
        sequence.server.batch(0, index)  # downloads are on their way at the fork
    reader, writer = os.pipe()
    child = fork()
    if not child:
        try:
            found = int(sequence.server.batch(0, 40)[1][0])
            os.write(writer, b"%d" % found)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert int(answer.read()) == int(sequence.server.batch(0, 40)[1][0])
    os.waitpid(child, 0)


CHILD = """
import sys, threading, time
import fsspec
from keras_bigdata.loading.fetching.planned_fetch import PlannedFetch
from keras_bigdata.shards.index.shard_index import ShardIndex

fs = fsspec.filesystem("memory")
fs.put(sys.argv[1], "memory://bucket/set", recursive=True)
original = type(fs).cat_file

def cat_file(self, path, start=None, end=None, **options):
    if path.endswith(".pkl") and "--stuck" in sys.argv:
        threading.Event().wait()
    return original(self, path, start, end, **options)

type(fs).cat_file = cat_file
fetch = PlannedFetch(ShardIndex.load("memory://bucket/set"))
fetch.plan(range(20))
"""


@pytest.mark.slow
def test_downloads_that_are_stuck_do_not_keep_the_process_alive(directory):
    process = subprocess.run(
        [sys.executable, "-c", CHILD, str(directory), "--stuck"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr


def identity(batch, rng):
    return batch


def test_worker_processes_download_for_themselves_and_that_is_said_once(directory, store):
    url = store.upload(directory)
    sequence = ShardSequence(url, 10, transform=identity, use_multiprocessing=True)
    prefetcher = sequence.server.prefetcher
    with pytest.warns(UserWarning, match=r"2 worker processes downloads.*cache=directory"):
        prefetcher._warn_of_downloads()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prefetcher._warn_of_downloads()


def test_worker_processes_do_not_find_the_memory_of_this_one(directory, store):
    # They said that there was no such file.
    url = store.upload(directory)
    sequence = ShardSequence(url, 10, transform=identity, use_multiprocessing=True)
    with pytest.raises(ValueError, match=r"memory:.* lies in the memory of this process"):
        sequence[0]


@pytest.mark.slow
def test_worker_processes_share_the_files_of_a_cache(directory, tmp_path):
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    requested = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            requested.append(self.path.rsplit("/", 1)[-1])
            super().do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=directory.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/{directory.name}"
        options = {"seed": 1, "window_shards": 3, "transform": identity}
        sequence = ShardSequence(
            Shards(url, cache=tmp_path), 10, **options, workers=3, use_multiprocessing=True
        )
        local = ShardSequence(directory, 10, **options, workers=0)
        assert_equal(labels(sequence), labels(local))
        sequence.server.prefetcher.release()
    finally:
        server.shutdown()
        server.server_close()
    shards = [name for name in requested if name.endswith(".pkl")]
    assert len(set(shards)) == 24
    assert len(shards) <= 26, "a shard is downloaded by one of the workers"
