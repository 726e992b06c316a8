"""Programs that pack on a Dask cluster: killed, interrupted, two at a time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest

from keras_bigdata import PackError, pack
from tests.helpers.dask_processes import DaskProcesses, SlowNumbers
from tests.helpers.packs import read_files
from tests.helpers.paths import ROOT
from tests.helpers.waiting import is_running, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),
    pytest.mark.timeout(300),
]

PROGRAM = """
    import sys
    from pathlib import Path
    import joblib
    from distributed import Client
    from keras_bigdata import pack
    from tests.helpers.dask_processes import SlowNumbers

    if __name__ == "__main__":
        address, pids, out, seconds = sys.argv[1:]
        with Client(address) as client, joblib.parallel_config(backend="dask"):
            pack(SlowNumbers(Path(pids), float(seconds)), out, shard_samples=2, verbose=2)
"""


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    pytest.importorskip("distributed")
    processes = DaskProcesses(tmp_path_factory.mktemp("dask"))
    yield processes
    processes.end()


class Programs:
    """Starts the program that packs, and compares what it has packed."""

    def __init__(self, dask: DaskProcesses, folder: Path) -> None:
        self.dask, self.folder = dask, folder
        self.pids, self.out = folder / "pids", folder / "out"
        self.pids.write_text("")
        (folder / "program.py").write_text(textwrap.dedent(PROGRAM))

    def start(self, seconds: float) -> subprocess.Popen[str]:
        arguments = [self.dask.address, str(self.pids), str(self.out), str(seconds)]
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", str(self.folder / "program.py"), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for_rows(self, count: int) -> None:
        wait_for(lambda: len(self.pids.read_text().split()) > count, 120)

    def check(self) -> None:
        pack(SlowNumbers(self.pids, 0), self.folder / "one", shard_samples=2, workers=1)
        assert read_files(self.out) == read_files(self.folder / "one")
        assert [each.name for each in self.out.glob(".*")] == []
        assert all(is_running(each.pid) for each in self.dask.workers)


@pytest.fixture
def programs(dask: DaskProcesses, tmp_path: Path) -> Programs:
    return Programs(dask, tmp_path)


def test_a_killed_client_is_run_again_while_its_tasks_are_still_running(programs):
    with programs.start(0.3) as killed:
        programs.wait_for_rows(12)
        killed.kill()
    with programs.start(0) as again:
        _, errors = again.communicate()
    assert again.returncode == 0, errors
    done = read_files(programs.out)
    time.sleep(1.5)  # a task of the killed client would have written another shard
    assert read_files(programs.out) == done
    programs.check()


def test_of_two_clients_that_pack_into_one_directory_one_is_refused(programs):
    from distributed import Client

    with programs.start(0.5) as first:
        programs.wait_for_rows(4)
        source = SlowNumbers(programs.pids, 0)
        with (
            Client(programs.dask.address),
            joblib.parallel_config(backend="dask"),
            pytest.raises(PackError, match="is being packed by"),
        ):
            pack(source, programs.out, shard_samples=2)
        _, errors = first.communicate()
    assert first.returncode == 0, errors
    assert re.search(r"packing .*out: \d+ of 30", errors), "progress is shown"
    programs.check()


def test_ctrl_c_ends_a_client_and_the_same_call_continues(programs):
    with programs.start(0.3) as process:
        programs.wait_for_rows(12)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert time.monotonic() - start < 30
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors.splitlines()[-1]
    assert re.search(r"out: stopped; \d+ of 30 shards are done", errors)
    read = len(programs.pids.read_text().split())
    time.sleep(1.5)
    assert len(programs.pids.read_text().split()) <= read + 4, "each worker ends its shard"
    with programs.start(0) as again:
        _, errors = again.communicate()
    assert again.returncode == 0, errors
    programs.check()
