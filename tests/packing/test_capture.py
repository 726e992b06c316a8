"""Existing generators of every kind, captured, and what a model then receives."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import sys
from collections import namedtuple

import keras
import numpy as np
import pytest
from skimage import data

from keras_bigdata import Arrays, PackError, ShardIndex, ShardSequence, capture, pack
from tests.conftest import rows_of
from tests.helpers.recording import recording_model

SIZES = [5, 1, 9, 4, 16, 3]  # batches of any size
TOTAL = sum(SIZES)


def batches(sizes=SIZES, start=0):
    for size in sizes:
        ids = np.arange(start, start + size)
        yield rows_of(ids), ids
        start += size


def stored(directory, variant=0, batch_size=7):
    """Returns all batches of one variant, in the order of the files."""
    sequence = ShardSequence(directory, batch_size, shuffle=None)
    return [sequence.batch_of(variant, index) for index in range(len(sequence))]


def stored_ids(directory, variant=0):
    return [int(id_) for batch in stored(directory, variant) for id_ in batch[1]]


def is_empty(directory):
    return not directory.exists() or not list(directory.iterdir())


# ---- Batches are regrouped; rows, values and order stay


@pytest.mark.parametrize("shard_samples", [None, 1, 7, 1000])
def test_rows_come_back_as_they_were(tmp_path, shard_samples):
    index = capture(batches(), tmp_path / "s", shard_samples=shard_samples)
    assert index.num_samples == TOTAL
    if shard_samples == 7:
        assert index.samples.tolist() == [7, 7, 7, 7, 7, 3]
    assert stored_ids(tmp_path / "s") == list(range(TOTAL))
    for x, ids in stored(tmp_path / "s"):
        np.testing.assert_array_equal(x, rows_of(ids))
        assert (x.dtype, ids.dtype) == (np.float32, np.int64)


def test_a_model_sees_exactly_what_the_generator_yielded(tmp_path):
    """The same weights, bit by bit, from `fit` on the generator and on its shards."""

    def generator():
        rng = np.random.default_rng(0)
        for _ in range(12):
            x = rng.normal(size=(8, 3)).astype(np.float32)
            yield x, x.sum(axis=1, keepdims=True)

    capture(generator(), tmp_path / "s", shard_samples=20)
    weights = []
    for source in (generator(), ShardSequence(tmp_path / "s", 8, shuffle=None)):
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        model.fit(source, verbose=0, shuffle=False, steps_per_epoch=12)
        weights.append(model.get_weights())
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)


def test_every_row_is_trained_once(tmp_path):
    capture(batches(), tmp_path / "s")
    model = recording_model(built=True)
    model.fit(ShardSequence(tmp_path / "s", 7), verbose=0, shuffle=False)
    assert sorted(id_ for batch in model.take() for id_ in batch) == list(range(TOTAL))


def test_arrays_that_the_generator_fills_again_are_copied(tmp_path):
    def refilling():
        x, ids = np.empty((4, 3), np.float32), np.empty(4, np.int64)
        for start in range(0, 20, 4):
            ids[:] = np.arange(start, start + 4)
            x[:] = rows_of(ids)
            yield x, ids
        x[:], ids[:] = -1, -1

    capture(refilling(), tmp_path / "s")
    assert stored_ids(tmp_path / "s") == list(range(20))


def test_small_sets_of_known_length_make_several_shards(tmp_path):
    big = [(np.zeros((64, 100, 100)), np.zeros(64)) for _ in range(2)]
    assert len(capture(big, tmp_path / "known")) == 2
    assert len(capture(iter(big), tmp_path / "unknown")) == 1


# ---- Every kind of source


class OldSequence(keras.utils.PyDataset):
    """A sequence as written for Keras 2, without `super().__init__()`."""

    def __init__(self, sizes, shuffled=False):
        self.sizes = sizes
        self.shuffled = shuffled
        self.epoch = 0

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, index):
        x, ids = next(itertools.islice(batches(self.sizes), index, None))
        return [x, ids + 1000 * self.epoch]

    def on_epoch_end(self):
        self.epoch += 1


class Locked:
    """The thread-safe wrapper of many scripts, an iterator without a length."""

    def __init__(self, iterator):
        self.iterator = iterator

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.iterator)


class OnlyNext:
    def __init__(self, iterator):
        self.__next = iterator

    def __next__(self):
        return next(self.__next)


class Again:
    """Can be iterated any number of times, but not indexed."""

    def __iter__(self):
        return batches()


class OnlyIndex:
    """The old sequence protocol: indices until an IndexError."""

    def __getitem__(self, index):
        return list(batches())[index]


class FloatLength(OldSequence):
    def __len__(self):
        return np.ceil(2.5)


def endless():
    for number in itertools.count():
        yield from batches(start=number * TOTAL)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(batches, id="generator"),
        pytest.param(lambda: iter(list(batches())), id="iterator"),
        pytest.param(lambda: list(batches()), id="list"),
        pytest.param(lambda: OldSequence(SIZES), id="old sequence"),
        pytest.param(lambda: Locked(batches()), id="wrapper"),
        pytest.param(lambda: OnlyNext(batches()), id="only next"),
        pytest.param(Again, id="iterable"),
        pytest.param(OnlyIndex, id="only index"),
        pytest.param(lambda: zip(*map(list, zip(*batches(), strict=True)), strict=True), id="zip"),
        pytest.param(lambda: map(list, batches()), id="map, lists for tuples"),
    ],
)
@pytest.mark.parametrize("steps", [None, len(SIZES), 3])
def test_every_kind_of_source(tmp_path, source, steps):
    capture(source(), tmp_path / "s", steps=steps)
    assert stored_ids(tmp_path / "s") == list(range(sum(SIZES[:steps])))


@pytest.mark.parametrize("source", [OldSequence(SIZES), Again(), list(batches())])
def test_one_pass_a_variant(tmp_path, source):
    index = capture(source, tmp_path / "s", variants=3)
    assert (index.variants, index.num_samples) == (3, TOTAL)
    for variant in range(3):
        shift = 1000 * variant if isinstance(source, OldSequence) else 0
        assert stored_ids(tmp_path / "s", variant) == list(range(shift, shift + TOTAL))


def test_variants_of_a_generator_are_cut_out_of_its_stream(tmp_path):
    generator = endless()
    capture(generator, tmp_path / "s", steps=len(SIZES), variants=2, shard_samples=8)
    for variant in range(2):
        ids = list(range(variant * TOTAL, (variant + 1) * TOTAL))
        assert stored_ids(tmp_path / "s", variant) == ids
    # No further batch was taken, and the generator can be continued.
    assert next(generator)[1][0] == 2 * TOTAL


def test_more_steps_than_a_pass_begin_the_next_one(tmp_path):
    capture(OldSequence([4, 4, 4]), tmp_path / "s", steps=4)
    assert stored_ids(tmp_path / "s") == [*range(12), *range(1000, 1004)]


def test_variants_alternate_by_epoch(tmp_path):
    capture(endless(), tmp_path / "s", steps=len(SIZES), variants=2)
    model = recording_model(built=True)
    train = ShardSequence(tmp_path / "s", 7)
    for epoch in range(4):
        model.fit(train, verbose=0, shuffle=False)
        start = epoch % 2 * TOTAL
        seen = sorted(id_ for batch in model.take() for id_ in batch)
        assert seen == list(range(start, start + TOTAL))


def test_a_shard_sequence_can_be_captured(tmp_path):
    pack(Arrays(x=rows_of(np.arange(20)), labels=np.arange(20)), tmp_path / "a")
    source = ShardSequence(tmp_path / "a", 8, seed=1)
    capture(source, tmp_path / "b", variants=2)
    again = ShardSequence(tmp_path / "a", 8, seed=1)
    for variant in range(2):
        expected = [id_ for index in range(3) for id_ in again.batch_of(variant, index)[1]]
        assert stored_ids(tmp_path / "b", variant) == expected


@pytest.mark.parametrize("said", [{"num_batches": None}, {}])
def test_a_sequence_without_an_end_needs_steps(tmp_path, said):
    def batch(self, index):
        ids = np.arange(4) + 4 * index
        return rows_of(ids), ids

    Endless = type("Endless", (keras.utils.PyDataset,), {"__getitem__": batch, **said})

    with pytest.raises(ValueError, match="a Endless that never ends needs `steps`"):
        capture(Endless(), tmp_path / "s")
    capture(Endless(), tmp_path / "s", steps=3)
    assert stored_ids(tmp_path / "s") == list(range(12))


# ---- Images


# Keras's image generators call deprecated functions of SciPy.
LEGACY_SCIPY = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")


def patches(count=10):
    image = data.astronaut()
    starts = np.arange(count) * 20
    return np.stack([image[s : s + 24, s : s + 24] for s in starts]).astype(np.float32)


def augmenting(**more):
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    return ImageDataGenerator(
        rotation_range=30, width_shift_range=0.1, zoom_range=0.2, horizontal_flip=True, **more
    )


@LEGACY_SCIPY
def test_image_data_generator_is_read_by_index(tmp_path):
    x, ids = patches(), np.arange(10)

    def flow():
        return augmenting().flow(x, ids, batch_size=4, seed=7)

    index = capture(flow(), tmp_path / "s", variants=3)
    assert (index.num_samples, index.variants) == (10, 3)
    by_hand = flow()
    for variant in range(3):
        if variant:
            by_hand.on_epoch_end()
        expected = [by_hand[number] for number in range(len(by_hand))]
        got = stored(tmp_path / "s", variant, batch_size=10)[0]
        np.testing.assert_array_equal(got[0], np.concatenate([part[0] for part in expected]))
        np.testing.assert_array_equal(got[1], np.concatenate([part[1] for part in expected]))
        assert sorted(got[1].tolist()) == list(range(10))
    first, second = (
        stored(tmp_path / "s", variant, 10)[0][0].sum(axis=(1, 2, 3)) for variant in (0, 1)
    )
    assert not np.allclose(np.sort(first), np.sort(second))


@LEGACY_SCIPY
def test_flow_from_directory_gives_the_classes(tmp_path):
    from skimage import io

    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number, patch in enumerate(patches(3)):
            path = tmp_path / "photos" / name / f"{number}.png"
            io.imsave(path, patch.astype(np.uint8), check_contrast=False)
    flow = augmenting().flow_from_directory(tmp_path / "photos", target_size=(24, 24), batch_size=4)
    index = capture(flow, tmp_path / "s")
    assert index.classes == ["cat", "dog"]
    x, y = stored(tmp_path / "s", batch_size=6)[0]
    assert (x.shape, y.shape) == ((6, 24, 24, 3), (6, 2))
    assert y.sum(axis=0).tolist() == [3, 3]


def image_and_mask():
    """Returns the `zip` of many segmentation scripts."""
    images = patches()
    masks = (images.mean(axis=-1, keepdims=True) > 100).astype(np.float32)
    flows = [augmenting().flow(part, batch_size=4, seed=3) for part in (images, masks)]
    return zip(*flows, strict=False)


@LEGACY_SCIPY
def test_image_and_mask_pairs_train(tmp_path):
    with pytest.raises(ValueError, match="a zip that never ends needs `steps`"):
        capture(image_and_mask(), tmp_path / "s")
    capture(image_and_mask(), tmp_path / "s", steps=3, variants=2)
    by_hand = image_and_mask()
    for variant in range(2):
        images, masks = (
            np.concatenate(part) for part in zip(*itertools.islice(by_hand, 3), strict=True)
        )
        x, y = stored(tmp_path / "s", variant, batch_size=10)[0]
        np.testing.assert_array_equal(x, images)
        np.testing.assert_array_equal(y, masks)
    layers = keras.layers
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            layers.Rescaling(1 / 127.5, -1),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Conv2D(1, 1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.03), "binary_crossentropy")
    losses = model.fit(
        ShardSequence(tmp_path / "s", 5), epochs=10, verbose=0, shuffle=False
    ).history["loss"]
    assert losses[-1] < 0.7 * losses[0]


@LEGACY_SCIPY
def test_variants_that_differ_in_rows(tmp_path):
    # 4 + 4 rows, then 2 + 4: `steps` does not fit the passes.
    with pytest.raises(PackError, match=r"same number of rows, but zip yielded \[8, 6\]"):
        capture(image_and_mask(), tmp_path / "s", steps=2, variants=2)
    assert is_empty(tmp_path / "s")


# ---- Structure is kept


def flat(batch):
    return keras.tree.map_structure(lambda a: (a.shape[1:], a.dtype.name), batch)


X, Y, W = np.ones((6, 3), np.float32), np.arange(6), np.full(6, 0.5)
Pair = namedtuple("Pair", "x y")
ROW, ID, WEIGHT, ONE = ((3,), "float32"), ((), "int64"), ((), "float64"), ((), "float32")


@pytest.mark.parametrize(
    ("batch", "structure"),
    [
        (X, (ROW,)),
        ((X,), (ROW,)),
        ((X, None), (ROW,)),
        ((X, Y, None), (ROW, ID)),
        ([X, Y], (ROW, ID)),
        (Pair(X, Y), (ROW, ID)),
        ((X, Y, W), (ROW, ID, WEIGHT)),
        ({"a": X, "b": Y}, ({"a": ROW, "b": ID},)),
        (([X, Y], Y), ((ROW, ID), ID)),
        (([X], [Y]), ((ROW,), (ID,))),
        (({"a": X, "b": [X, {"c": Y}]}, Y), ({"a": ROW, "b": (ROW, {"c": ID})}, ID)),
        ((X, [Y, Y], [None, W]), (ROW, (ID, ID), (ONE, WEIGHT))),
        (
            (X, {"p": Y, "q": Y}, {"p": W, "q": None}),
            (ROW, {"p": ID, "q": ID}, {"p": WEIGHT, "q": ONE}),
        ),
    ],
)
def test_nesting_is_restored_with_lists_as_tuples(tmp_path, batch, structure):
    capture([batch, batch], tmp_path / "s")
    got = stored(tmp_path / "s", batch_size=12)[0]
    assert flat(got) == structure
    flattened = [a for a in keras.tree.flatten(got) if a.dtype != np.float32 or a.ndim == 2]
    values = [a for a in keras.tree.flatten(batch) if a is not None]
    for mine, theirs in zip(flattened, values, strict=True):
        np.testing.assert_array_equal(mine, np.concatenate([theirs, theirs]))


def test_none_among_weights_is_ones(tmp_path):
    capture([(X, [Y, Y], [None, W])], tmp_path / "s")
    ((_, _, (ones, weights)),) = stored(tmp_path / "s")
    np.testing.assert_array_equal(ones, np.ones(6))
    np.testing.assert_array_equal(weights, W)


def test_fields_are_named_by_their_path(tmp_path):
    index = capture([({"image": X}, [Y, Y], W)], tmp_path / "s")
    assert list(index.fields) == ["x.image", "y.0", "y.1", "w"]
    assert list(capture([(X, Y)], tmp_path / "t").fields) == ["x", "y"]


@pytest.mark.slow
def test_several_inputs_outputs_and_weights_train(tmp_path):
    """As with the generator itself, with weights per output."""
    rng = np.random.default_rng(0)

    def generator():
        for _ in range(10):
            a, b = rng.normal(size=(2, 8, 3)).astype(np.float32)
            targets = {"sum": a.sum(axis=1), "sign": (b[:, 0] > 0).astype(np.int32)}
            yield {"a": a, "b": b}, targets, {"sum": np.full(8, 0.5), "sign": None}

    capture(generator(), tmp_path / "s")
    keras.utils.set_random_seed(1)
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model(
        {"a": a, "b": b},
        {
            "sum": keras.layers.Dense(1, name="sum")(a),
            "sign": keras.layers.Dense(1, activation="sigmoid", name="sign")(b),
        },
    )
    model.compile(
        keras.optimizers.Adam(0.1),
        {"sum": "mse", "sign": "binary_crossentropy"},
        weighted_metrics={"sum": ["mae"], "sign": ["accuracy"]},
    )
    train = ShardSequence(tmp_path / "s", 16)
    history = model.fit(train, epochs=15, verbose=0, shuffle=False).history
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    assert history["sign_accuracy"][-1] > 0.9


def test_class_counts_of_integer_targets(tmp_path):
    capture([(X, np.array([0, 1, 1, 1, 0, 1]))], tmp_path / "s")
    assert ShardSequence(tmp_path / "s", 2).class_weight() == {0: 1.5, 1: 0.75}


@pytest.mark.parametrize(
    "backend",
    ["tensorflow", *(pytest.param(name, marks=pytest.mark.slow) for name in ("jax", "torch"))],
)
def test_tensors(tmp_path, backend):
    module = pytest.importorskip(backend)
    if backend == "tensorflow":
        x = module.constant(X)
    elif backend == "jax":
        x = module.numpy.asarray(X)
    else:
        x = module.from_numpy(X.copy()).requires_grad_()
        rows = module.utils.data.TensorDataset(x.detach(), module.from_numpy(Y))
        capture(module.utils.data.DataLoader(rows, batch_size=4), tmp_path / "loader", variants=2)
        assert stored_ids(tmp_path / "loader", variant=1) == Y.tolist()
    capture([(x, Y)], tmp_path / "s")
    ((got, _),) = stored(tmp_path / "s")
    np.testing.assert_array_equal(got, X)


# ---- Errors


def then(*parts):
    """A good batch, then these."""
    yield X, Y
    yield from parts


def ragged():
    return np.array([[1, 2], [3]], dtype=object)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((X, Y, W), r"the structure is \(x, y, w\), but in the first batch it was \(x, y\)"),
        (((X, X), Y), r"the structure is \(\(x\.0, x\.1\), y\), but .* \(x, y\)"),
        ((X.astype(np.float64), Y), "field 'x' has dtype float64, but float32 in the first"),
        ((X[:, :2], Y), r"field 'x' has rows of shape \(2,\), but of shape \(3,\) in the first"),
        ((X, Y[:5]), "field 'y' has 5 rows, but field 'x' has 6"),
        ((X, 3), r"field 'y' is a single number \(int\)"),
        ((X, [1, 2]), r"field 'y.0' is a single number"),
        ((X, [X, None]), "field 'y.1' is None"),
        ((ragged(), Y[:2]), "field 'x' .* holds rows of different length"),
        ((X, np.array(["a"] * 6)), "field 'y' holds texts"),
        ((X, np.zeros(6, "M8[s]")), "field 'y' has dtype datetime64"),
        ((X, object()), "field 'y' is of type object, which is not an array. Convert it"),
        ((X, {}), "field 'y' is an empty dict"),
        ((X, {1: Y}), "field 'y' is a dict whose keys must be str, not 1"),
        (({"a.b": X, "a": {"b": X}}, Y), "two fields would have the name 'x.a.b'"),
        ((X, Y, W, W), "Received: a tuple of length 4"),
        (None, "there are no inputs"),
        ((X, None, W), "there are no targets"),
    ],
)
def test_a_batch_unlike_the_first_is_named(tmp_path, batch, message):
    with pytest.raises(PackError, match=rf"batch 1 \(from 0\): .*{message}"):
        capture(then(batch), tmp_path / "s", shard_samples=2)
    assert is_empty(tmp_path / "s")
    if message.startswith("field") and "in the first" not in message:
        with pytest.raises(PackError, match=rf"batch 0 \(from 0\): .*{message}"):
            capture([batch], tmp_path / "s")


def test_a_generator_that_raises_in_the_middle(tmp_path):
    class Broken(Exception):
        pass

    def generator():
        yield from batches()
        raise Broken("no more")

    (tmp_path / "s").mkdir()
    with pytest.raises(
        PackError, match=r"batch 6 \(from 0\): generator raised Broken: no more"
    ) as e:
        capture(generator(), tmp_path / "s", shard_samples=3)
    assert isinstance(e.value.__cause__, Broken)
    assert "test_capture.py" in str(e.value)
    assert "Nothing was kept" in str(e.value)
    assert is_empty(tmp_path / "s")
    capture(batches(), tmp_path / "s")  # the directory can be used again
    assert stored_ids(tmp_path / "s") == list(range(TOTAL))


def test_an_error_in_a_later_variant_is_named(tmp_path):
    class Failing(OldSequence):
        def __getitem__(self, index):
            if self.epoch == 1 and index == 2:
                raise FileNotFoundError("gone.png")
            return super().__getitem__(index)

    with pytest.raises(PackError, match=r"batch 2 \(from 0\) of variant 1: .* gone\.png"):
        capture(Failing(SIZES), tmp_path / "s", variants=2)
    assert not (tmp_path / "s").exists()


def test_one_that_ends_early(tmp_path):
    with pytest.raises(PackError, match=r"ended here, after 6 batches\. Received: steps=10"):
        capture(batches(), tmp_path / "s", steps=10)
    with pytest.raises(PackError, match=r"batch 2 \(from 0\) of variant 1: .* after 6 batches"):
        capture(batches(), tmp_path / "s", steps=4, variants=2)
    assert is_empty(tmp_path / "s")


@pytest.mark.parametrize("source", [[], iter(()), Locked(iter(())), OldSequence([])])
def test_no_batches(tmp_path, source):
    with pytest.raises(PackError, match=r"nothing to store: .* yielded no batches"):
        capture(source, tmp_path / "s")
    assert is_empty(tmp_path / "s")


def test_empty_batches_add_nothing(tmp_path):
    empty = (X[:0], Y[:0])
    capture([empty, (X, Y), empty], tmp_path / "s")
    assert stored_ids(tmp_path / "s") == list(range(6))
    with pytest.raises(PackError, match="yielded only empty batches"):
        capture([empty], tmp_path / "t")
    assert is_empty(tmp_path / "t")


@pytest.mark.parametrize(
    "source",
    [
        itertools.cycle(list(batches())),
        itertools.repeat((X, Y)),
        zip(itertools.cycle([X]), itertools.cycle([Y]), strict=False),
    ],
)
def test_one_that_is_known_never_to_end_needs_steps(tmp_path, source):
    with pytest.raises(ValueError, match="never ends needs `steps`, the number of batches"):
        capture(source, tmp_path / "s")
    capture(source, tmp_path / "s", steps=2)
    assert ShardIndex.load(tmp_path / "s").num_samples > 0


def test_one_that_never_ends_stops_before_the_disk_is_full(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(PackError, match=r"has not ended, and the disk is nearly full.*`steps`"):
        capture(endless(), tmp_path / "s", shard_samples=100)
    assert is_empty(tmp_path / "s")


def test_ctrl_c_leaves_nothing_and_says_so(tmp_path, capsys):
    def generator():
        yield from batches()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture(generator(), tmp_path / "s", shard_samples=3)
    assert not (tmp_path / "s").exists()
    assert "stopped. Nothing was kept. A capture cannot be continued" in capsys.readouterr().err


KILLED = """
import sys, time, numpy as np
from keras_bigdata import capture

def generator():
    for number in range(1000):
        if number == 20:
            print("running", flush=True)
            time.sleep(60)
        yield np.full((4, 3), number, np.float32), np.arange(4)

capture(generator(), sys.argv[1], shard_samples=8)
"""


def test_what_a_kill_has_left_is_removed_unless_it_is_still_running(tmp_path, capsys):
    directory = tmp_path / "s"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(directory)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"running\n"
    with pytest.raises(PackError, match=f"is being packed by process {child.pid}"):
        capture(batches(), directory)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert list(directory.glob("shard-*.pkl"))
    with pytest.raises(Exception, match="is not complete: a `ShardWriter` was stopped"):
        ShardSequence(directory, 4, inputs="x")
    capture(batches(), directory)
    assert stored_ids(directory) == list(range(TOTAL))
    assert "A capture cannot be continued: it starts over" in capsys.readouterr().err


def test_a_directory_with_something_else_is_refused_untouched(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s/notes.txt").write_text("mine")
    taken = []

    def generator():
        taken.append(1)
        yield X, Y

    with pytest.raises(PackError, match=r"holds something else: notes.txt"):
        capture(generator(), tmp_path / "s")
    assert (tmp_path / "s/notes.txt").read_text() == "mine"
    assert not taken  # known before the generator is begun
    capture([(X, Y)], tmp_path / "t")
    with pytest.raises(PackError, match=r"holds something else: index.json"):
        capture([(X, Y)], tmp_path / "t")
    with pytest.raises(PackError, match="is a file"):
        capture([(X, Y)], tmp_path / "s/notes.txt")


def test_shards_of_an_unfinished_writer_are_not_removed(tmp_path):
    from keras_bigdata import ShardWriter

    ShardWriter(tmp_path / "s").write({"x": X})
    with pytest.raises(PackError, match="holds something else"):
        capture([(X, Y)], tmp_path / "s")
    assert len(list((tmp_path / "s").glob("shard-*.pkl"))) == 1


def test_a_disk_that_is_full(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_bigdata.shards.writer.write_shard", full)
    with pytest.raises(PackError, match=r"cannot be written: .*No space left"):
        capture(batches(), tmp_path / "s")
    assert is_empty(tmp_path / "s")


@pytest.mark.parametrize(
    ("source", "arguments", "error", "message"),
    [
        (lambda: (X, Y), {}, TypeError, "a function: pass what it returns"),
        ((X, Y), {}, TypeError, r"a tuple of arrays"),
        (X, {}, TypeError, "object of type ndarray"),
        ({"x": X}, {}, TypeError, "object of type dict"),
        ("shards", {}, TypeError, "Received: 'shards' of type str"),
        (None, {}, TypeError, "Received: None"),
        (FloatLength([1]), {}, TypeError, "len.. of the FloatLength fails: .*float"),
        (batches(), {"steps": 2.5}, TypeError, "steps=2.5 of type float"),
        (batches(), {"steps": 0}, ValueError, "`steps` must be an integer of at least 1"),
        (batches(), {"steps": True}, TypeError, "`steps` must be"),
        (batches(), {"variants": 0}, ValueError, "`variants` must be"),
        (batches(), {"variants": None}, TypeError, "`variants` must be"),
        (batches(), {"shard_samples": -1}, ValueError, "`shard_samples` must be"),
        (batches(), {"variants": 2}, ValueError, "run only once, so `variants` of it need `steps`"),
    ],
)
def test_bad_arguments(tmp_path, source, arguments, error, message):
    with pytest.raises(error, match=message):
        capture(source, tmp_path / "s", **arguments)
    assert is_empty(tmp_path / "s")


def test_numpy_integers_are_steps(tmp_path):
    capture(batches(), tmp_path / "s", steps=np.int64(2))
    assert stored_ids(tmp_path / "s") == list(range(6))
