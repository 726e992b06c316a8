"""Settings and fixtures of all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# oneDNN rewrites every traced graph, for models of two layers: a tenth of the time of a `fit`.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
# Two tests run at a time. Threads of their programs that wait for work of microseconds burn a tenth
# of the CPU time of a training with JAX or torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import numpy as np
import pytest

from tests.helpers.s3_server import S3Server
from tests.helpers.unindexed_pickles import write_shards
from tests.helpers.web_server import WebServer

# Collection makes millions of objects that stay. Walking them again and again took a quarter of its
# time; `pytest_collection_finish` turns the collector on.
gc.disable()

# A run in the background inherits that SIGINT is ignored. The programs of the tests of Ctrl-C would
# inherit it too.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Sets up hypothesis, and TensorFlow for small models, in the processes that run tests.

    The process that distributes the tests does not import TensorFlow: that takes 5 seconds, in
    which the others would wait.
    """
    options = session.config.option
    hands_out = getattr(options, "dist", "no") != "no"
    if not hands_out and not getattr(options, "hypothesis_profile", None):
        from hypothesis import settings

        # Half of the usual number. `--hypothesis-profile default` runs the 100 examples.
        # In CI the examples are the same for the same code: what passed there once passes again.
        settings.register_profile("half", max_examples=50, derandomize="CI" in os.environ)
        settings.load_profile("half")
    if hands_out or os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return
    import tensorflow as tf

    # Optimizing the graphs of models of two layers is 8% of the time of tests with a `fit`.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    # More threads would only wait for one another, and for the other process of the tests.
    tf.config.threading.set_intra_op_parallelism_threads(1)


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks all but n cases of a test with `quick_cases(n)`, evenly spread, as slow."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("quick_cases"):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for same in cases.values():
        (count,) = same[0].get_closest_marker("quick_cases").args
        quick = set(np.linspace(0, len(same) - 1, count).round())
        for number, item in enumerate(same):
            if number not in quick:
                item.add_marker(pytest.mark.slow)
                item.add_marker(pytest.mark.every_backend)


def pytest_collection_finish() -> None:
    """Keeps the garbage collector from walking TensorFlow and all tests again and again.

    That took a sixth of the time of tests with a `fit`.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 20, 50)
    gc.enable()


@pytest.fixture
def shards(tmp_path: Path) -> Callable[..., Path]:
    """`shards(sizes, protocol=4)` returns a new directory of pickles without an index."""
    count = 0

    def make(sizes: Sequence[int], protocol: int = 4) -> Path:
        nonlocal count
        count += 1
        return write_shards(tmp_path / f"shards{count}", sizes, protocol)

    return make


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server on loopback. Tests that use it are slow: it takes seconds to start."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    """A web server of the directory `tmp_path / "web"`, at first without faults."""
    pytest.importorskip("aiohttp")
    (tmp_path / "web").mkdir()
    with WebServer(tmp_path / "web") as server:
        yield server
