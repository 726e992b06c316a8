from __future__ import annotations

import pickle
import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keras_bigdata.shards.selecting.selection import Selection, selection_difference

masks = st.lists(st.lists(st.booleans(), max_size=40), max_size=8)


def select(mask_of_shard, description="some"):
    samples = np.array([len(mask) for mask in mask_of_shard], np.int64)
    rows = [np.flatnonzero(mask) for mask in mask_of_shard]
    return Selection(samples, rows.__getitem__, description)


@given(masks)
def test_rows_counts_and_spans_are_those_of_the_masks(mask_of_shard):
    selection = select(mask_of_shard)
    firsts, stops = selection.spans()
    for shard, mask in enumerate(mask_of_shard):
        rows = np.flatnonzero(mask)
        found = selection.rows(shard)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, rows)
        assert selection.counts[shard] == len(rows)
        span = (rows[0], rows[-1] + 1) if len(rows) else (0, 0)
        assert (firsts[shard], stops[shard]) == span
    assert selection.num_samples == sum(map(sum, mask_of_shard))


@given(masks)
def test_a_copy_in_another_process_is_equal(mask_of_shard):
    selection = select(mask_of_shard)
    copy = pickle.loads(pickle.dumps(selection))
    assert copy == selection
    assert copy.identity() == selection.identity()
    for shard in range(len(mask_of_shard)):
        np.testing.assert_array_equal(copy.rows(shard), selection.rows(shard))


def test_a_row_takes_one_bit():
    selection = select([[True, False] * 40_000] * 10)
    assert len(pickle.dumps(selection)) < 10 * 10_000 + 2000


def test_only_the_rows_of_a_few_shards_stay_in_memory():
    rows = 2**20
    selection = Selection(np.full(12, rows), lambda shard: np.arange(rows), "all")
    for shard in range(12):
        assert len(selection.rows(shard)) == rows
    assert len(selection._cache) == 8
    assert selection._cached_bytes == 8 * rows * 8


def test_rows_may_be_requested_by_several_threads():
    rng = np.random.default_rng(0)
    expected = [np.flatnonzero(rng.random(500) < 0.5) for _ in range(40)]
    selection = Selection(np.full(40, 500), expected.__getitem__, "some")
    wrong = []

    def read(seed):
        for shard in np.random.default_rng(seed).integers(0, 40, 500).tolist():
            if not np.array_equal(selection.rows(shard), expected[shard]):
                wrong.append(shard)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_digest_depends_on_the_rows_and_not_on_how_they_were_found():
    one, other = select([[True, False]], "rows(1 of 2)"), select([[True, False]], "where(even)")
    assert one == other
    assert hash(one) == hash(other)
    assert select([[False, True]]) != one
    # The same bits, cut into other shards.
    assert select([[True], [False]]) != one
    assert selection_difference(one.identity(), other.identity()) is None
    assert selection_difference(None, None) is None


def test_a_difference_names_both_selections():
    one, other = select([[True, False]], "where(even)"), select([[False, True]], "where(odd)")
    text = selection_difference(one.identity(), other.identity())
    assert text == (
        f"the selection was where(even) (digest {one.digest}) and is where(odd) (digest "
        f"{other.digest}) here"
    )
    assert "was all rows and is where(odd)" in selection_difference(None, other.identity())


def test_the_description_tells_the_operations_in_order():
    selection = select([[True] * 6], "where(even)").narrow(lambda shard: [0, 3], "rows(2 of 6)")
    assert repr(selection) == "Selection(2 of 6 rows, where(even), rows(2 of 6))"
    np.testing.assert_array_equal(selection.of_shards(np.array([0])).rows(0), [0, 3])
