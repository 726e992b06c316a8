"""Images that are stored encoded: the same batches as from pixels, and crops keyed by rows."""

from __future__ import annotations

import io
import pickle

import keras
import numpy as np
import pytest
from PIL import Image

from keras_bigdata import (
    CenterCrop,
    CorruptShardError,
    Mixture,
    RandomResizedCrop,
    Resize,
    ShardIndex,
    ShardSequence,
    predict_rows,
)
from keras_bigdata.loading.rows.row_draws import row_draws
from tests.helpers.image_sets import ROWS, SIZE, file_of, pack_photographs, pixels_of

CROP = RandomResizedCrop((10, 12))


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    codecs = (None, "jpeg", "png", "file")
    return {codec: pack_photographs(folder / str(codec), codec) for codec in codecs}


def batches_of(sequence, epoch=0):
    return [sequence.batch_of(epoch, index) for index in range(len(sequence))]


def same(one, other):
    arrays = [(x, *y) for x, y in one], [(x, *y) for x, y in other]
    return len(one) == len(other) and all(
        (left == right).all() and left.dtype == right.dtype
        for first, second in zip(*arrays, strict=True)
        for left, right in zip(first, second, strict=True)
    )


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"workers": 0},
        {"shuffle": "global"},
        {"shuffle": "shards", "last_batch": "drop"},
        {"shuffle": None},
        {"balance": "labels"},
        {"on_corrupt": "skip"},
        {"steps_per_epoch": 4},
        {"transform": lambda batch, rng: {**batch, "images": 255 - batch["images"]}},
    ],
    ids=" ".join,
)
def test_png_shards_serve_the_batches_of_pixels(sets, options):
    if "balance" in options:
        options = {**options, "inputs": "images", "targets": ("labels", "id")}
    pixels = ShardSequence(sets[None], 16, seed=5, **options)
    png = ShardSequence(sets["png"], 16, seed=5, **options)
    assert png.fields["images"].codec == "png"
    for epoch in range(2):
        assert same(batches_of(png, epoch), batches_of(pixels, epoch))


def test_jpeg_shards_serve_what_pillow_decodes_and_take_less_space(sets):
    with open(sets["jpeg"].path(0), "rb") as file:
        stored = pickle.load(file)
    values, offsets = stored["images"]["values"], stored["images"]["offsets"]
    x, (_, ids) = ShardSequence(sets["jpeg"], 12, shuffle=None)[0]
    for row in range(12):
        content = values[offsets[row] : offsets[row + 1]].tobytes()
        assert (x[row] == np.asarray(Image.open(io.BytesIO(content)))).all()
        assert np.abs(x[row].astype(int) - pixels_of(ids[row])).mean() < 8
    assert sets["jpeg"].sizes.sum() < 0.6 * sets[None].sizes.sum()


def test_files_of_any_size_and_format_need_decode(sets):
    with pytest.raises(ValueError, match=r"files of any size.*Pass decode=Resize"):
        ShardSequence(sets["file"], 8)
    x, (_, ids) = ShardSequence(sets["file"], 8, decode=Resize((9, 11)), seed=1)[0]
    assert (x.shape, x.dtype) == ((8, 9, 11, 3), np.uint8)
    for pixels, row in zip(x, ids, strict=True):
        image = Image.open(io.BytesIO(file_of(row))).convert("RGB")
        expected = np.asarray(image.resize((11, 9), Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(pixels - expected).mean() < 2


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("codec", ["file", "jpeg", "png"])
def test_crops_do_not_depend_on_workers_batches_or_the_order_of_requests(sets, codec):
    crops = {}
    for more in ({"workers": 0}, {"workers": 3}, {"batch_size": 7}, {"shuffle": "global"}):
        options = {"batch_size": 16, "seed": 2, "decode": CROP, **more}
        sequence = ShardSequence(sets[codec], **options)
        # In order first: requests in random order are warned of if they are slow.
        order = [*range(len(sequence)), 2, 0]
        for x, (_, ids) in [sequence.batch_of(1, index) for index in order]:
            for pixels, row in zip(x, ids.tolist(), strict=True):
                assert (crops.setdefault(row, pixels) == pixels).all()
    assert len(crops) == ROWS


@pytest.mark.slow
def test_crops_differ_between_epochs_seeds_and_occurrences(sets):
    def first_crops(epoch=0, seed=2):
        sequence = ShardSequence(sets["png"], ROWS, seed=seed, shuffle=None, decode=CROP)
        return sequence.batch_of(epoch, 0)[0]

    assert (first_crops() == first_crops()).all()
    for other in (first_crops(epoch=1), first_crops(seed=3)):
        assert sum((a != b).any() for a, b in zip(first_crops(), other, strict=True)) > ROWS - 3


def test_a_row_that_balance_serves_twice_in_an_epoch_is_cropped_in_two_ways(tmp_path):
    index = pack_photographs(tmp_path / "set", "png", rows=5)  # labels 0, 1, 2, 0, 1
    options = {"balance": "labels", "steps_per_epoch": 4, "seed": 1, "decode": CROP}
    train = ShardSequence(index, 100, inputs="images", targets=("labels", "id"), **options)
    found = {}
    for x, (_, ids) in (train.batch_of(0, index) for index in range(4)):
        for pixels, row in zip(x, ids.tolist(), strict=True):
            found.setdefault(row, []).append(pixels.tobytes())
    assert max(map(len, found.values())) > 2
    for crops in found.values():
        assert len(set(crops)) == len(crops)


def test_draws_of_a_row_are_frozen():
    epochs, rows, counts = (np.array(each, np.int64) for each in ([0, 0, 1], [0, 7, 7], [0, 0, 2]))
    draws = row_draws(1, epochs, rows, counts, 2)
    assert draws.tolist() == GOLDEN
    assert (row_draws(1, epochs[1:], rows[1:], counts[1:], 2) == draws[1:]).all()
    many = row_draws(3, np.zeros(20_000, int), np.arange(20_000), np.zeros(20_000, int), 3)
    assert 0 <= many.min() <= many.max() < 1
    assert np.abs(many.mean(axis=0) - 0.5).max() < 0.01
    assert np.abs(np.corrcoef(many.T) - np.eye(3)).max() < 0.02


GOLDEN = [
    [0.8413433684997381, 0.588367281706409],
    [0.006667959398065637, 0.4947876972020274],
    [0.1538904852060109, 0.26769228284261803],
]


def test_fit_trains_on_encoded_images(sets):
    """Through both roads, with worker processes, and validated in the order of the files."""
    train = ShardSequence(sets["jpeg"], 16, inputs="images", targets="labels", seed=1)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((*SIZE, 3)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    history = model.fit(
        train, validation_data=train.unshuffled(), epochs=2, verbose=0, shuffle=False
    )
    assert len(history.history["val_loss"]) == 2
    assert model.predict(train.unshuffled(), verbose=0).shape == (ROWS, 3)
    if keras.backend.backend() == "tensorflow":
        dataset = train.as_dataset()
        assert dataset.element_spec[0].shape.as_list() == [None, *SIZE, 3]
        expected = [(x, (y,)) for x, y in batches_of(train, train.epoch)]
        assert same([(x.numpy(), (y.numpy(),)) for x, y in dataset], expected)


def test_predictions_of_random_crops_are_warned_of(sets):
    layers = keras.layers
    model = keras.Sequential([keras.Input((10, 12, 3)), layers.Flatten(), layers.Dense(1)])
    crops = ShardSequence(sets["jpeg"], 45, inputs="images", seed=1, decode=CROP)
    with pytest.warns(UserWarning, match=r"Predictions are those of random parts of 'images'"):
        predict_rows(model, crops)
    middle = ShardSequence(sets["jpeg"], 45, inputs="images", decode=CenterCrop((10, 12)))
    assert predict_rows(model, middle)["outputs"].shape == (ROWS, 1)


@pytest.mark.slow
def test_worker_processes_decode_and_crop(sets):
    options = {"decode": CROP, "seed": 4, "transform": brighter}
    with_processes = ShardSequence(sets["file"], 16, use_multiprocessing=True, **options)
    assert same(batches_of(with_processes), batches_of(ShardSequence(sets["file"], 16, **options)))


def brighter(batch, rng):
    return {**batch, "images": batch["images"] // 2 + 100}


@pytest.mark.slow
def test_a_mixture_of_forms_has_images_of_one_size(sets):
    jpeg = ShardSequence(sets["jpeg"], 8, seed=1, inputs="images", targets="id", decode=CROP)
    files = ShardSequence(sets["file"], 8, seed=2, inputs="images", targets="id", decode=CROP)
    mixed = Mixture({"jpeg": jpeg, "files": files}, weights=(3, 1), batch_size=8)
    alone = Mixture({"jpeg": jpeg, "files": files}, weights=(3, 1), batch_size=8, workers=0)
    for index in range(len(mixed)):
        assert (mixed[index][0] == alone[index][0]).all()
    of_row = {}
    for x, ids in batches_of(jpeg):
        of_row |= dict(zip(ids.tolist(), x, strict=True))
    x, ids = mixed.batch_of(0, 0)
    for pixels, row in zip(x[:6], ids[:6].tolist(), strict=True):
        assert (pixels == of_row[row]).all()
    pixels = ShardSequence(sets[None], 8, inputs="images", targets="id")
    with pytest.raises(ValueError, match=r"cannot be mixed: `inputs` is .*stored as jpeg"):
        Mixture({"jpeg": jpeg, "pixels": pixels}, weights=(1, 1), batch_size=8)


# ---- Damage


def damaged(folder, codec, change):
    """A set of which one shard is changed in place, with its size kept."""
    index = pack_photographs(folder, codec)
    path = index.path(2)
    content = bytearray(path.read_bytes())
    change(content, index[2])
    path.write_bytes(content)
    return ShardIndex.load(folder)


def break_row(content, info):
    start = info.offsets["images"]
    rows = np.frombuffer(bytes(content[info.row_offsets["images"] :][:104]), np.int64)
    begin, stop = start + rows[5], start + rows[6]
    content[begin + 2 : stop] = bytes(int(stop - begin - 2))


@pytest.mark.parametrize("codec", ["jpeg", "png", "file"])
def test_an_image_that_cannot_be_decoded_names_shard_row_and_file(tmp_path, codec):
    index = damaged(tmp_path / "set", codec, break_row)
    decode = Resize((8, 8)) if codec == "file" else None
    sequence = ShardSequence(index, 90, shuffle=None, decode=decode)
    with pytest.raises(
        CorruptShardError, match=r"shard-00002.pkl: 'images' of row 5, packed from cat/\d+.png: it"
    ):
        sequence[0]


def test_a_shard_with_a_damaged_image_is_skipped(tmp_path):
    index = damaged(tmp_path / "set", "jpeg", break_row)
    sequence = ShardSequence(index, 16, seed=1, on_corrupt="skip", workers=0)
    with pytest.warns(UserWarning, match="'images' of row 5"):
        ids = np.concatenate([y[1] for _, y in batches_of(sequence)])
    assert len(ids) == ROWS
    assert len(sequence.skipped_shards) == 1


@pytest.mark.parametrize("offset", [-1, 10**15, 0])
def test_offsets_that_lie_are_refused(tmp_path, offset):
    def lie(content, info):
        start = info.row_offsets["images"] + 8 * 6
        content[start : start + 8] = np.int64(offset).tobytes()

    index = damaged(tmp_path / "set", "jpeg", lie)
    with pytest.raises(CorruptShardError, match="offsets do not divide its"):
        ShardSequence(index, 90, shuffle=None)[0]


@pytest.mark.parametrize("offset", [-1, 10**15, 2**62])
def test_a_last_offset_beyond_the_file_is_refused(tmp_path, offset):
    def lie(content, info):
        start = info.row_offsets["images"] + 8 * info.samples
        content[start : start + 8] = np.int64(offset).tobytes()

    index = damaged(tmp_path / "set", "png", lie)
    with pytest.raises(CorruptShardError, match="offsets that end at"):
        ShardSequence(index, 90, shuffle=None)[0]


@pytest.mark.parametrize(
    ("codec", "options", "message"),
    [
        (None, {"decode": CROP}, "`decode` is for images that are stored encoded"),
        ("jpeg", {"decode": "crop"}, "`decode` must be a Resize"),
        ("jpeg", {"decode": {"labels": CROP}}, "`decode` names 'labels'"),
        ("file", {"decode": {}}, "files of any size"),
        ("jpeg", {"pad_to": 8}, "`pad_to` is for rows of any length"),
        ("jpeg", {"bucket": "images"}, "`bucket` must name a field of rows of any length"),
    ],
)
def test_an_argument_that_does_not_fit_the_shards_is_refused(sets, codec, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ShardSequence(sets[codec], 8, **options)


def test_a_state_of_another_crop_is_refused(sets):
    state = ShardSequence(sets["jpeg"], 8, decode=CROP, seed=1).state_dict()
    ShardSequence(sets["jpeg"], 8, decode=CROP, seed=1).load_state_dict(state)
    other = ShardSequence(sets["jpeg"], 8, decode=CenterCrop((10, 12)), seed=1)
    with pytest.raises(ValueError, match=r"'decode' is .*RandomResizedCrop.* in the state"):
        other.load_state_dict(state)
    with pytest.raises(ValueError, match=r"'decode' is .* None here"):
        ShardSequence(sets["jpeg"], 8, seed=1).load_state_dict(state)
