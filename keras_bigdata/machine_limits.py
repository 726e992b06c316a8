"""How many cores and how much memory this process may use: of the machine, or of its container."""

from __future__ import annotations

import os
from pathlib import Path

# The limits of a container, in cgroups of version 2 and 1.
_MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
# Where the system does not tell its memory (Windows).
_ASSUMED_MEMORY = 8 * 2**30


def usable_cores() -> int:
    """Returns the number of CPU cores, within the affinity and the CPU share of a container."""
    import joblib

    return int(joblib.cpu_count())


def total_memory() -> int:
    """Returns the bytes of memory that this process may have at most."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = _ASSUMED_MEMORY
    return min(memory, *_container_limits())


def available_memory() -> int:
    """Returns the free bytes of memory, with the page cache where the system reports it.

    The page cache counts because the system releases it when programs need memory.
    """
    return min(_free_memory(), *_container_limits())


def _free_memory() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return _ASSUMED_MEMORY // 2


def _container_limits() -> list[int]:
    limits = [2**63]
    for path in _MEMORY_LIMITS:
        try:
            limits.append(int(path.read_text()))
        except (OSError, ValueError):  # there is no such file, or it says "max"
            continue
    return limits
