"""The order in which the entries of a full cache are removed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from keras_bigdata.storage.cache.cache_entry import EntryName, parse_entry

# Name of an entry -> how soon this process needs it again: 0.0 = in use now or next, larger =
# later, `math.inf` = not foreseen. It is called while the cache is locked, from any thread that
# fetches, so it must not wait for anything that waits for the cache.
NextUse: TypeAlias = Callable[[str], float]

# A set is not being trained on if none of its entries was used for this many seconds.
IDLE_SECONDS = 3600.0

# Priority, name and size of an entry that may be removed.
_Candidate = tuple[float, str, int]


def eviction_order(
    entries: Iterable[tuple[str, int]],
    new: str,
    next_use: NextUse | None,
    used_at: Callable[[str], float],
    now: float,
) -> Iterator[str]:
    """Yields the entries that may be removed, the most dispensable first.

    1. Former versions of files of which a newer version is in use.
    2. Entries of sets that are not trained on, least recently used first.
    3. The entry that this process needs latest, while its entries are at least an equal share of
       the sets that are trained on; otherwise the least recently used one of the largest other
       set. Without shares, two trainings would each remove what the other one needs.

    Entries that this process uses now or next are not among them.

    Args:
        entries: name and size of each entry.
        new: name of the entry for which room is made.
        next_use: what this process needs; `None` if that is unknown.
        used_at: returns the time at which an entry was used last, by any process.
        now: the time in seconds.
    """
    own: list[_Candidate] = []
    foreseen: list[str] = [new]
    own_bytes = 0
    unforeseen: list[tuple[EntryName, str, int]] = []
    for name, size in entries:
        needed_in = math.inf if next_use is None else next_use(name)
        if needed_in == math.inf:
            parts = parse_entry(name)
            if parts is not None and name != new:
                unforeseen.append((parts, name, size))
            continue
        foreseen.append(name)
        own_bytes += size
        if needed_in > 0:
            own.append((needed_in, name, size))
    own.sort()  # the last one is needed latest

    urls = {parts.url for name in foreseen if unforeseen and (parts := parse_entry(name))}
    superseded: list[_Candidate] = []
    groups: dict[str, list[_Candidate]] = {}
    for parts, name, size in unforeseen:
        candidate = (-used_at(name), name, size)
        if parts.url in urls:
            superseded.append(candidate)
        else:
            groups.setdefault(parts.group, []).append(candidate)
    for group in groups.values():
        group.sort()  # the last one was used least recently
    idle = [group for group in groups.values() if now + group[0][0] > IDLE_SECONDS]
    for _, name, _ in sorted(superseded, reverse=True):
        yield name
    for _, name, _ in sorted((each for group in idle for each in group), reverse=True):
        yield name
    active = [group for group in groups.values() if now + group[0][0] <= IDLE_SECONDS]
    yield from _by_shares(own, own_bytes, active)


def _by_shares(
    own: list[_Candidate], own_bytes: int, groups: list[list[_Candidate]]
) -> Iterator[str]:
    sizes = [sum(size for _, _, size in group) for group in groups]
    share = (own_bytes + sum(sizes)) / (1 + len(groups))
    while own or groups:
        if own and (own_bytes >= share or not groups):
            _, name, size = own.pop()
            own_bytes -= size
        elif groups:
            largest = max(range(len(groups)), key=sizes.__getitem__)
            _, name, size = groups[largest].pop()
            sizes[largest] -= size
            if not groups[largest]:
                del groups[largest], sizes[largest]
        yield name
