"""Runs every block of code in the README and in `docs/`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib

import keras
import matplotlib as mpl
import pytest

from keras_bigdata.cli.main import main
from tests.helpers.dask_processes import DaskProcesses
from tests.helpers.doc_files import ROWS, remove_packed, run_python
from tests.helpers.doc_pages import Block, blocks, commands, smaller
from tests.helpers.paths import ROOT

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="some of the code is for tf.data"
)

# What a block with this text needs; it is run by a test of its own.
DASK, JAX, RAY, S3 = "dask.distributed", "keras.distribution", "import joblib, ray", "s3://"
ELSEWHERE = (DASK, JAX, RAY, S3)
PYTHON = [block for block in blocks("python") if not any(text in block.code for text in ELSEWHERE)]
SHELL = [block for block in blocks("sh") if "keras-bigdata " in block.code]


def one_block(text: str) -> Block:
    (block,) = (block for block in blocks("python") if text in block.code)
    return block


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize("block", PYTHON, ids=str)
@pytest.mark.filterwarnings("ignore:.*best.former")
def test_a_block_of_python_runs(block, folder, monkeypatch):
    mpl.use("agg")
    remove_packed(block.code)
    run_python(smaller(block.code), str(block))


@pytest.mark.slow
@pytest.mark.parametrize("block", SHELL, ids=str)
def test_a_block_of_commands_runs(block, folder):
    remove_packed(block.code)
    for program, *arguments in commands(smaller(block.code)):
        assert program == "keras-bigdata"
        assert main(arguments) == 0, arguments


@pytest.mark.parametrize("block", [b for b in blocks("sh") if b not in SHELL], ids=str)
def test_other_commands_name_what_exists(block):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for extra in re.findall(r"-e '\.\[(\w+)\]'", block.code):
        assert extra in extras
    for path in re.findall(r"(?<![\w.])(?:examples|tests|\.ci)/[\w/.]+", block.code):
        assert (ROOT / path).exists(), path


@pytest.mark.slow
def test_the_block_for_dask_runs(folder):
    block = one_block(DASK)
    address, target = "tcp://10.0.0.1:8786", "/shared/shards/train"
    assert address in block.code
    assert target in block.code
    cluster = DaskProcesses(folder)
    try:
        code = block.code.replace(address, cluster.address).replace(target, str(folder / "on_dask"))
        client = run_python(code, str(block))["client"]
        client.close()
    finally:
        cluster.end()
    assert (folder / "on_dask/index.json").exists()


def test_the_block_for_ray_can_be_compiled():
    """`tests/packing` has tests with Ray; this block asks for a cluster that runs already."""
    block = one_block(RAY)
    compile(block.code, str(block), "exec")


@pytest.mark.slow
def test_the_block_for_several_processes_runs(folder):
    pytest.importorskip("jax")
    block = one_block(JAX)
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.doc_files", str(folder)],
        input=block.code,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "train" in result.stdout.split()


@pytest.mark.slow
def test_the_blocks_for_buckets_run(folder, s3, monkeypatch):
    bucket = s3.new_bucket()
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret)
    found = [block for block in blocks("python") if S3 in block.code]
    assert len(found) == 1
    for block in found:
        code = block.code.replace("s3://bucket", bucket)
        code = code.replace("/fast/disk", str(folder / "cache"))
        variables = run_python(code, str(block))
        assert sum(len(labels) for _, labels in variables["train"]) == ROWS


def test_no_block_is_left_out():
    assert {block.language for block in blocks()} <= {"python", "sh", "text"}
    assert len(list(blocks())) > 25
    assert len(PYTHON) > 15
    for text in ELSEWHERE:
        one_block(text)
