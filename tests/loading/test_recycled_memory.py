"""Memory of batches is used again, and never under anybody who still has a view of it.

Every block is overwritten the moment it comes free: whoever looks at one afterwards sees it.
"""

from __future__ import annotations

from collections import defaultdict, deque

import keras
import numpy as np
import pytest

from keras_bigdata import ShardSequence, ShardWriter
from keras_bigdata.loading.rows import buffer_pool
from tests.helpers import transforms
from tests.helpers.recording import Recording

BACKEND = keras.backend.backend()
POISON = 0xEE
WIDTH = 1500  # rows of 6,000 bytes, read straight into recycled memory

# Batches are requested by index again and again here.
pytestmark = pytest.mark.filterwarnings("ignore:All batches of epoch")


class Poisoned(deque):
    freed = 0

    def append(self, block):
        memoryview(block).cast("B")[:] = bytes([POISON]) * len(memoryview(block).cast("B"))
        Poisoned.freed += 1
        super().append(block)


@pytest.fixture
def poisoned(monkeypatch):
    made = buffer_pool.BufferPool.__init__

    def poisoning(self, max_free, *arguments, **options):
        made(self, max_free, *arguments, **options)
        self._free = defaultdict(lambda: Poisoned(maxlen=max_free))

    monkeypatch.setattr(buffer_pool.BufferPool, "__init__", poisoning)
    monkeypatch.setattr(Poisoned, "freed", 0)
    return Poisoned


@pytest.fixture
def directory(tmp_path):
    """400 rows; a row of "x" holds its id everywhere, "tokens" its id in whole columns."""
    ids = np.arange(400, dtype=np.int32)
    with ShardWriter(tmp_path / "set", inputs=("x", "tokens"), targets="id") as writer:
        for part in np.split(ids, 8):
            x = np.repeat(part[:, None], WIDTH, 1).astype(np.float32)
            tokens = np.repeat(part[:, None], 600, 1)
            writer.write({"x": x, "tokens": tokens, "id": part})
    return tmp_path / "set"


def assert_whole(batch):
    (x, tokens), ids = batch
    ids = np.asarray(ids)
    np.testing.assert_array_equal(np.asarray(x), np.repeat(ids[:, None], WIDTH, 1))
    np.testing.assert_array_equal(np.asarray(tokens), np.repeat(ids[:, None], 600, 1))


@pytest.mark.parametrize("arguments", [{}, {"workers": 0}, {"shuffle": "global"}])
def test_a_batch_that_is_kept_never_changes(poisoned, directory, arguments):
    train = ShardSequence(directory, batch_size=20, window_shards=2, seed=1, **arguments)
    kept = []
    for _ in range(3):
        for index in range(len(train)):
            batch = train[index]
            if index % 4 == 0:
                kept.append(batch)
    assert poisoned.freed > 5
    for batch in kept:
        assert_whole(batch)


@pytest.mark.slow
@pytest.mark.every_backend
def test_a_batch_of_a_process_that_is_kept_never_changes(poisoned, directory):
    train = ShardSequence(
        directory,
        batch_size=20,
        seed=1,
        transform=transforms.identity,
        use_multiprocessing=True,
        workers=1,
        max_queue_size=2,
    )
    kept = []
    for _ in range(3):
        for index in range(len(train)):
            batch = train[index]
            if index % 4 == 0:
                kept.append(batch)
    assert poisoned.freed > 5
    for batch in kept:
        assert_whole(batch)


class Checking(Recording):
    """Notes in its train step every row of which a value is not the id of the row."""

    def __init__(self):
        super().__init__()
        self.wrong = 0

    def call(self, x):
        return self.dense(x[0][:, :3])

    def note(self, x, ids):
        self.wrong += int((np.asarray(x) != np.asarray(ids)[:, None]).sum())
        self.record(ids)

    def train_step(self, *arguments):
        (x, _), ids = arguments[-1]
        if BACKEND == "tensorflow":
            import tensorflow as tf

            tf.numpy_function(self.note, [x, ids], [])
        elif BACKEND == "jax":
            import jax

            jax.debug.callback(self.note, x, ids, ordered=True)
        else:
            self.note(x.detach().cpu(), ids.detach().cpu())
        return keras.Model.train_step(self, *arguments)


@pytest.fixture(scope="module")
def checking():
    model = Checking()
    model.compile("sgd", "mse")
    return model


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("arguments", [{}, {"max_queue_size": 1}, {"last_batch": "drop"}])
def test_what_a_model_trains_on_never_changes(poisoned, directory, checking, arguments):
    train = ShardSequence(directory, batch_size=30, window_shards=3, seed=1, **arguments)
    checking.wrong = 0
    checking.fit(train, epochs=4, shuffle=False, verbose=0)
    seen = [i for batch in checking.take() for i in batch]
    assert len(seen) == 4 * (400 if "last_batch" not in arguments else 390)
    assert checking.wrong == 0
    assert poisoned.freed > 5


@pytest.mark.quick_cases(1)
@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.data is TensorFlow's")
@pytest.mark.parametrize("transform", [None, transforms.identity])
def test_what_tf_data_keeps_never_changes(poisoned, directory, transform):
    train = ShardSequence(directory, batch_size=20, window_shards=2, seed=1, transform=transform)
    dataset = train.as_dataset()
    kept = list(dataset.prefetch(16)) + list(dataset.prefetch(16))
    cached = dataset.take(10).cache()
    first = list(cached)
    for _ in dataset.repeat(3):
        pass
    assert poisoned.freed > 5
    for batch in kept + first + list(cached):
        assert_whole(batch)


def shared(array):
    """An array of the backend over the same memory."""
    if BACKEND == "jax":
        import jax

        return jax.device_put(array)
    import torch

    return torch.from_numpy(array)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow's arrays are in the tests of fit")
def test_what_a_backend_keeps_without_a_copy_never_changes(poisoned, directory):
    train = ShardSequence(directory, batch_size=20, window_shards=2, seed=1)
    kept = []
    for _ in range(3):
        for index in range(len(train)):
            (x, tokens), ids = train[index]
            if index % 3 == 0:
                kept.append(((shared(x), shared(tokens)), ids.copy()))
            del x, tokens
    assert poisoned.freed > 5
    for batch in kept:
        assert_whole(batch)
