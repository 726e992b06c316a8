"""Which entries of a full cache are removed, and how often files are fetched again."""

import math
import random
import time

import pytest

from keras_bigdata.storage.cache.cache_entry import entry_name
from keras_bigdata.storage.cache.cache_eviction import IDLE_SECONDS, eviction_order
from keras_bigdata.storage.paths.remote_path import RemotePath
from tests.helpers.remote_files import RemoteFiles, content, files_of


def name_of(group, number, checksum=0):
    return entry_name(RemotePath(f"s3://{group}/{number}"), 10, checksum)


def order(uses, used_at=(), new="", entries=None):
    """Returns the order for entries of 10 bytes; `used_at` has the ages of those not foreseen."""
    ages = dict(used_at)
    names = [*uses, *ages] if entries is None else entries
    return list(
        eviction_order(
            [(name, 10) for name in names],
            new,
            lambda name: uses.get(name, math.inf),
            lambda name: 1e6 - ages[name],
            1e6,
        )
    )


def test_what_is_needed_latest_goes_first_and_what_is_needed_now_stays():
    a, b, c, d = (name_of("a", number) for number in range(4))
    assert order({a: 3.0, b: 0.0, c: 7.0, d: 1.0}) == [c, a, d]


def test_idle_sets_go_first_the_oldest_entry_first():
    own, *idle = name_of("a", 0), name_of("b", 0), name_of("b", 1), name_of("c", 0)
    ages = {idle[0]: IDLE_SECONDS + 5, idle[1]: IDLE_SECONDS + 9, idle[2]: IDLE_SECONDS + 7}
    assert order({own: 3.0}, ages) == [idle[1], idle[2], idle[0], own]


def test_a_set_with_one_recent_entry_is_trained_on():
    own, old, recent = name_of("a", 0), name_of("b", 0), name_of("b", 1)
    others = [name_of("a", number) for number in range(1, 6)]
    uses = {own: 9.0, **{each: float(n + 1) for n, each in enumerate(others)}}
    assert order(uses, {old: 9 * IDLE_SECONDS, recent: 1.0})[:2] == [own, others[4]]


def test_a_former_version_goes_first_although_it_was_used_last():
    new, former = name_of("a", 0, 1), name_of("a", 0, 2)
    idle = name_of("b", 0)
    assert order({new: 5.0}, {former: 0.0, idle: 1e5}) == [former, idle, new]
    assert order({}, {former: 0.0, idle: 1e5}, new=new) == [former, idle]


def test_trainings_get_equal_shares():
    own = {name_of("a", number): 1.0 + number for number in range(8)}
    other = {name_of("b", number): float(number) for number in range(4)}
    removed = order(own, other)
    assert removed[:2] == [name_of("a", 7), name_of("a", 6)]
    few = {name_of("a", number): 1.0 + number for number in range(2)}
    many = {name_of("b", number): float(number) for number in range(4)}
    assert order(few, many)[:1] == [name_of("b", 3)]


def test_without_a_plan_what_was_not_used_for_longest_goes_first():
    ages = {name_of("a", number): age for number, age in enumerate([3.0, 9.0, 1.0])}
    entries = [(name, 10) for name in ages]
    found = list(eviction_order(entries, "", None, lambda name: 1e6 - ages[name], 1e6))
    assert found == [name_of("a", 1), name_of("a", 0), name_of("a", 2)]


class Training:
    """Reads all files in a random order in each epoch, one window after the other."""

    def __init__(self, files, names, seed, window=2):
        self.files, self.window = files, window
        self.names = list(names)
        self.entries = [files.entry(name) for name in self.names]
        rng = random.Random(seed)
        self.plan: list[int] = []
        for _ in range(8):
            self.plan += rng.sample(range(len(self.names)), len(self.names))
        self.position = 0

    def step(self):
        """Reads one file; all of its window are open until the next window."""
        plan, now = self.plan, self.position
        window = now - now % self.window
        uses = {}
        for place in range(len(plan) - 1, window - 1, -1):
            uses[self.entries[plan[place]]] = float(max(0, place - window - self.window + 1))
        number = plan[now]
        found = self.files.read(self.names[number], lambda name: uses.get(name, math.inf))
        assert found == self.files.contents[self.names[number]]
        self.position += 1


def optimum(plan, capacity):
    """Returns the smallest number of fetches, by a cache that knows all that comes."""
    held, fetches = set(), 0
    for place, number in enumerate(plan):
        if number in held:
            continue
        fetches += 1
        held.add(number)
        if len(held) > capacity:
            coming = plan[place + 1 :]
            held.remove(
                max(held, key=lambda n: coming.index(n) if n in coming else len(plan) + n / 1e9)
            )
    return fetches


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("number", "capacity"), [(40, 2), (40, 8), (40, 20)])
def test_a_set_larger_than_the_cache_is_fetched_hardly_more_often_than_needed(
    monkeypatch, tmp_path, number, capacity
):
    files = RemoteFiles(monkeypatch, f"belady-{tmp_path.name}", tmp_path / "c", capacity * 100)
    for each in range(number):
        files.put(f"{each}.pkl", content(each, 100))
    training = Training(files, list(files.contents), seed=1)
    for _ in range(4 * number):
        training.step()
        assert sum(path.stat().st_size for path in files_of(tmp_path / "c").values()) <= (
            capacity * 100
        )
    best = optimum(training.plan[: 4 * number], capacity)
    assert best <= len(files.requests) <= best * 1.12, (best, len(files.requests))


def test_two_trainings_share_a_cache(monkeypatch, tmp_path):
    one = RemoteFiles(monkeypatch, f"one-{tmp_path.name}", tmp_path / "c", 2000)
    two = RemoteFiles(monkeypatch, f"two-{tmp_path.name}", tmp_path / "c", 2000)
    for each in range(20):
        one.put(f"{each}.pkl", content(each, 100))
        two.put(f"{each}.pkl", content(100 + each, 100))
    trainings = [Training(one, list(one.contents), 1), Training(two, list(two.contents), 2)]
    for _ in range(4 * 20):
        for training in trainings:
            training.step()
            time.sleep(0.001)  # a time of its own for each use
    assert len(files_of(tmp_path / "c")) <= 20
    for files, training in zip((one, two), trainings, strict=True):
        best = optimum(training.plan[:80], 10)
        assert len(files.requests) <= best * 1.2, (best, len(files.requests))


def test_the_order_of_many_entries_is_made_for_a_share_of_the_downloads_only(monkeypatch, tmp_path):
    from keras_bigdata.storage.cache import cache_directory

    orders = []
    original = cache_directory.eviction_order

    def counted(*arguments):
        orders.append(1)
        return original(*arguments)

    monkeypatch.setattr(cache_directory, "eviction_order", counted)
    files = RemoteFiles(monkeypatch, f"many-{tmp_path.name}", tmp_path / "c", 300 * 10)
    for each in range(330):
        files.put(f"{each}.pkl", content(each, 10))
        files.read(f"{each}.pkl")
    assert len(files_of(tmp_path / "c")) >= 296
    assert 1 <= len(orders) <= 12
