"""Large arrays of a shard begin at aligned positions, and the pickle stays an ordinary one."""

from __future__ import annotations

import pickle
import zlib

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_bigdata.shards.pickles import StoredArray, find_arrays
from keras_bigdata.shards.writing.shard_file import write_shard

sizes = st.one_of(st.integers(0, 200), st.integers(65_000, 66_000), st.just(300_000))


@settings(deadline=None, max_examples=20)
@given(
    lengths=st.lists(sizes, min_size=1, max_size=4),
    name=st.text("abc", min_size=1, max_size=70),
    rows=st.integers(1, 3),
)
# The pickler writes the first array and the opcode of the second at once: 64 KiB.
@example(lengths=[65383, 65536], name="a", rows=1)
def test_large_arrays_begin_at_multiples_of_64_bytes(tmp_path_factory, lengths, name, rows):
    folder = tmp_path_factory.mktemp("aligned")
    rng = np.random.default_rng(0)
    arrays = {
        f"{name}{n}": rng.integers(0, 256, (rows, length), np.uint8)
        for n, length in enumerate(lengths)
    }
    info = write_shard(folder, "s.pkl", arrays)
    content = (folder / "s.pkl").read_bytes()
    assert info.checksum == zlib.crc32(content)
    loaded = pickle.loads(content)
    plain = pickle._loads(content)  # the unpickler in Python is stricter about frames
    found = find_arrays(folder / "s.pkl").fields
    for key, array in arrays.items():
        np.testing.assert_array_equal(loaded[key], array)
        np.testing.assert_array_equal(plain[key], array)
        if array.nbytes >= 64 * 1024:
            stored = found[key]
            assert isinstance(stored, StoredArray)
            assert info.offsets[key] % 64 == 0


def test_small_shards_are_not_padded(tmp_path):
    arrays = {"x": np.arange(10, dtype=np.int32)}
    write_shard(tmp_path, "s.pkl", arrays)
    assert (tmp_path / "s.pkl").read_bytes() == pickle.dumps(arrays, protocol=5)
