"""Some of the files that `python -m tests.fuzz.run` creates without end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_bigdata.shards.pickles import compression
from tests.fuzz.run import EXPANDED, PARSED, Fuzzer
from tests.fuzz.run import __file__ as run


@pytest.fixture(scope="module")
def fuzzer() -> Fuzzer:
    return Fuzzer(seed=0)


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(("first", "batches"), [(0, 5), (5, 1), (6, 11), (17, 1), (19, 1), (39, 1)])
def test_hostile_files_are_refused_or_read_right(fuzzer, monkeypatch, first, batches):
    monkeypatch.setattr(compression, "EXPANDED_AT_LEAST", EXPANDED)
    monkeypatch.setattr(compression, "PARSED_AT_LEAST", PARSED)
    before = fuzzer.executions + fuzzer.index_runs
    for number in range(first, first + batches):
        fuzzer.batch(number)
    assert fuzzer.findings == {}
    assert fuzzer.executions + fuzzer.index_runs >= before + 125 * batches


def test_the_fuzzer_detects_forbidden_behaviour(fuzzer, monkeypatch):
    """A reader that lists, compiles, raises, or takes time or memory is detected."""
    from tests.fuzz import check

    data = b"\x80\x04]K\x01a."
    assert check.check(fuzzer.fd, data).startswith("fields 1")
    monkeypatch.setattr(check, "SECONDS", 0.02)
    real = check.find_arrays
    for name, wrong in {
        "listdir": lambda fd: (os.listdir("/"), real(fd))[1],
        "compile": lambda fd: (exec("1"), real(fd))[1],
        "KeyError": lambda fd: {}[fd],
        "MemoryError": lambda fd: bytes(2**62),
        "took": lambda fd: (sum(range(4_000_000)), real(fd))[1],
    }.items():
        monkeypatch.setattr(check, "find_arrays", wrong)
        with pytest.raises(check.Finding, match=name):
            check.check(fuzzer.fd, data)
    monkeypatch.setattr(check, "find_arrays", real)
    read = check.read_fields
    monkeypatch.setattr(check, "read_fields", lambda fd, names: {"0": read(fd, names)["0"] + 1})
    with pytest.raises(check.Finding, match="other bytes"):
        check.check(fuzzer.fd, data)
    # Values that all our functions read alike, but pickle.load reads otherwise.
    monkeypatch.setattr(check.oracle, "load", lambda data: [2])
    monkeypatch.setattr(check, "read_fields", read)
    with pytest.raises(check.Finding, match=r"pickle\.load differs: values"):
        check.check(fuzzer.fd, data)


@pytest.mark.slow
def test_twenty_seconds_of_hostile_files(tmp_path):
    # Always the first files of one seed. `--seconds` and `--seed` search further by hand.
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run", "--seconds", "20", "--found", tmp_path],
        cwd=Path(run).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.endswith("done\n")
    found = [path.read_text() for path in tmp_path.glob("*.txt")]
    assert found == []
