"""Trainings from and to an S3 server that are killed, and resumed where only the URL is known."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import pytest

from keras_bigdata import Arrays, pack
from tests.helpers.paths import ROOT

pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")

SECRET = "a-secret-key-of-the-store"
NAMES = ("whole", "killed")

# Each kill ends one process, at a moment of the upload of an object; the next one continues.
KILLS = [
    ("after", "/best.weights.h5"),
    ("before", "/checkpoint-"),
    ("during", "/checkpoint-"),
    ("after", "/scores.pkl"),
    ("batch", "3"),
]


@pytest.fixture(scope="module")
def store():
    """Returns the file system of an S3 server, and its address."""
    import s3fs

    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    filesystem = s3fs.S3FileSystem(
        key="tester", secret=SECRET, endpoint_url=endpoint, use_listings_cache=False
    )
    filesystem.mkdir("bucket")
    yield filesystem, endpoint
    server.stop()


def prepare(filesystem, name, tmp_path):
    rng = np.random.default_rng(0)
    for part, rows in (("train", 40), ("val", 12)):
        x, labels = rng.random((rows, 6), np.float32), rng.integers(0, 4, rows)
        pack(Arrays(x=x, labels=labels), tmp_path / name / part, shard_samples=9, verbose=0)
        filesystem.put(str(tmp_path / name / part), f"bucket/{name}/{part}", recursive=True)


def run(endpoint, name, tmp_path, *kill):
    """Runs the training in an empty directory of its own. Returns its status and its result."""
    folder = tempfile.mkdtemp(dir=tmp_path)
    command = [sys.executable, "-m", "tests.helpers.train_to_url", f"s3://bucket/{name}"]
    done = subprocess.run(
        [*command, endpoint, SECRET, "result.json", *kill],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": folder, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert SECRET not in done.stderr + done.stdout
    result = os.path.join(folder, "result.json")
    if not os.path.exists(result):
        return done.returncode, done.stderr
    with open(result) as file:
        return done.returncode, json.load(file)


def weights(content):
    """Returns all numbers and the score in a file of weights."""
    found = {}
    with h5py.File(io.BytesIO(content)) as file:
        found.update(file.attrs)
        file.visititems(
            lambda name, item: (
                found.update({name: item[()].tobytes()}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_at_any_moment_of_an_upload_change_nothing(store, tmp_path):
    filesystem, endpoint = store
    for name in NAMES:
        prepare(filesystem, name, tmp_path)
    status, expected = run(endpoint, "whole", tmp_path)
    assert status == 0, expected
    for kill in KILLS:
        status, text = run(endpoint, "killed", tmp_path, *kill)
        assert status == -signal.SIGKILL, (kill, text)
    status, found = run(endpoint, "killed", tmp_path)
    assert status == 0, found
    assert found == expected
    assert filesystem.cat_file("bucket/killed/scores.pkl") == filesystem.cat_file(
        "bucket/whole/scores.pkl"
    )
    best = [weights(filesystem.cat_file(f"bucket/{name}/best.weights.h5")) for name in NAMES]
    assert best[0] == best[1]
    files = {
        name: sorted(
            path.partition(f"bucket/{name}/")[2] for path in filesystem.find(f"bucket/{name}")
        )
        for name in NAMES
    }
    assert [f for f in files["whole"] if "checkpoint" not in f] == [
        f for f in files["killed"] if "checkpoint" not in f
    ]
    assert len([f for f in files["killed"] if "checkpoint" in f]) == 2
    for path in filesystem.find("bucket"):
        assert SECRET.encode() not in filesystem.cat_file(path)
