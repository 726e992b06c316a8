"""Cores and memory that a process may use."""

from __future__ import annotations

import os

import pytest

from keras_bigdata import machine_limits
from keras_bigdata.machine_limits import available_memory, total_memory, usable_cores


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    version_2, version_1 = tmp_path / "memory.max", tmp_path / "limit_in_bytes"
    monkeypatch.setattr(machine_limits, "_MEMORY_LIMITS", (version_2, version_1))
    whole = total_memory()
    version_2.write_text("max\n")
    version_1.write_text(f"{2**63 - 4096}\n")
    assert total_memory() == whole
    version_2.write_text("1000000\n")
    assert total_memory() == available_memory() == 1_000_000
    version_2.unlink()
    version_1.write_text("2000000\n")
    assert total_memory() == available_memory() == 2_000_000


def test_a_system_that_does_not_tell_its_memory(tmp_path, monkeypatch):
    """`os.sysconf` is missing on Windows."""
    monkeypatch.setattr(machine_limits, "_MEMORY_LIMITS", ())
    monkeypatch.delattr(os, "sysconf")
    monkeypatch.setattr("builtins.open", lambda *_, **__: (_ for _ in ()).throw(OSError))
    assert 0 < available_memory() < total_memory()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity")
def test_the_affinity_counts():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(list(before)[:1]))
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
