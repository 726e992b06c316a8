"""Ready-made augmentation: exact results, masks, fill modes, errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from keras_bigdata import Arrays, PackError, ShardSequence, pack
from keras_bigdata.packing.augment import Augment, brightness, flip, rotate, shear, shift, zoom

PHOTO = data.astronaut()[50:114, 180:260]  # 64 x 80


class Fixed:
    """A generator that always draws the end of the range."""

    def __init__(self, end: float = 1.0) -> None:
        self.end = end

    def uniform(self, low, high):
        return low + (high - low) * self.end

    def random(self, count):
        return np.zeros(count)


def apply(augment: Augment, image: np.ndarray, end: float = 1.0) -> np.ndarray:
    return augment({"images": image}, Fixed(end))["images"]


def test_a_quarter_turn_is_exact():
    square = PHOTO[:, :64]
    np.testing.assert_array_equal(apply(Augment(rotate(90)), square), np.rot90(square))
    np.testing.assert_array_equal(apply(Augment(rotate(90)), square, end=0), np.rot90(square, -1))


def test_flips_are_exact():
    np.testing.assert_array_equal(apply(Augment(flip()), PHOTO), PHOTO[:, ::-1])
    both = Augment(flip(horizontal=True, vertical=True))
    np.testing.assert_array_equal(apply(both, PHOTO), PHOTO[::-1, ::-1])


def test_a_shift_moves_down_and_right_by_fractions():
    moved = apply(Augment(shift(0.25, 0.1), fill_mode="wrap"), PHOTO)
    np.testing.assert_array_equal(moved, np.roll(PHOTO, (16, 8), axis=(0, 1)))


@pytest.mark.parametrize(
    ("mode", "row"), [("nearest", 0), ("constant", None), ("reflect", 3), ("wrap", -4)]
)
def test_fill_modes(mode, row):
    moved = apply(Augment(shift(height=4 / 64), fill_mode=mode, cval=7), PHOTO)
    np.testing.assert_array_equal(moved[4:], PHOTO[:-4])
    expected = np.full_like(PHOTO[0], 7) if row is None else PHOTO[row]
    np.testing.assert_array_equal(moved[0], expected)


def test_zoom_makes_larger():
    larger = apply(Augment(zoom(1, 2)), PHOTO).astype(float)
    middle = PHOTO[16:48, 20:60].repeat(2, 0).repeat(2, 1).astype(float)
    assert np.abs(larger - middle).mean() < 12
    np.testing.assert_array_equal(apply(Augment(zoom(1, 2)), PHOTO, end=0), PHOTO)


def test_shear_keeps_the_middle_row():
    odd = PHOTO[:63]
    sheared = apply(Augment(shear(30)), odd)
    np.testing.assert_array_equal(sheared[31], odd[31])
    assert (sheared[0] != odd[0]).any()


def test_brightness_rounds_and_stays_in_range():
    values = np.array([[0, 1, 3, 200]], np.uint8)
    np.testing.assert_array_equal(apply(Augment(brightness(1, 1.5)), values), [[0, 2, 4, 255]])


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 1000),
    dtype=st.sampled_from(["u1", "i2", "f4", "f8", "?"]),
    channels=st.sampled_from([None, 1, 3]),
)
def test_dtype_shape_and_masks_are_kept(seed, dtype, channels):
    rng = np.random.default_rng(seed)
    shape = (20, 30) if channels is None else (20, 30, channels)
    sample = {
        "images": rng.integers(0, 200, shape).astype(dtype),
        "mask": rng.choice([0, 7, 200], (20, 30)).astype(np.uint8),
        "label": 3,
    }
    augment = Augment(
        rotate(40),
        shift(0.2, 0.2),
        shear(15),
        zoom(0.8, 1.2),
        flip(),
        brightness(0.5, 1.5),
        masks="mask",
    )
    changed = augment(sample, np.random.default_rng(seed))
    again = pickle.loads(pickle.dumps(augment))(sample, np.random.default_rng(seed))
    assert changed["label"] == 3
    assert set(np.unique(changed["mask"])) <= {0, 7, 200}
    for name in ("images", "mask"):
        assert changed[name].dtype == sample[name].dtype
        assert changed[name].shape == sample[name].shape
        np.testing.assert_array_equal(changed[name], again[name])


def test_images_and_masks_go_together():
    rng = np.random.default_rng(0)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 25:50] = 1
    sample = {"images": mask * 255, "mask": mask}
    augment = Augment(rotate(45), zoom(0.7, 1.3), flip(), masks="mask")
    for _ in range(10):
        changed = augment(sample, rng)
        assert ((changed["images"] > 127) == (changed["mask"] == 1)).mean() > 0.98


def test_the_masks_of_a_source_are_changed_with_their_images():
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 25:50] = 1
    sample = {"images": mask * 255, "masks": mask[..., None]}
    changed = Augment(rotate(80), shift(0.2, 0.2))(sample, np.random.default_rng(0))
    assert (changed["masks"] != sample["masks"]).any()
    assert ((changed["images"] > 127) == (changed["masks"][..., 0] == 1)).mean() > 0.98
    kept = Augment(rotate(80), masks=())(sample, np.random.default_rng(0))
    np.testing.assert_array_equal(kept["masks"], sample["masks"])
    assert (kept["images"] != sample["images"]).any()


def test_nothing_drawn_changes_nothing():
    sample = {"images": PHOTO}
    assert Augment()(sample, np.random.default_rng(0))["images"] is PHOTO


def test_pack_writes_the_same_with_any_number_of_workers(tmp_path):
    images = np.stack([np.roll(PHOTO, k, 0) for k in range(12)])
    source = Arrays(images=images, labels=np.arange(12))
    augment = Augment(rotate(30), flip())
    for workers in (1, 2):
        target = tmp_path / str(workers)
        pack(source, target, variants=2, augment=augment, workers=workers, shard_samples=4)
    first, second = sorted((tmp_path / "1").iterdir()), sorted((tmp_path / "2").iterdir())
    assert [file.name for file in first] == [file.name for file in second]
    for one_file, other in zip(first, second, strict=True):
        assert one_file.read_bytes() == other.read_bytes()
    train = ShardSequence(
        tmp_path / "1", batch_size=12, inputs="images", targets="labels", shuffle=None
    )
    epochs = [train.batch_of(epoch, 0) for epoch in range(3)]
    assert (epochs[0][0] != epochs[1][0]).any()
    np.testing.assert_array_equal(epochs[0][0], epochs[2][0])


def test_another_augment_is_another_pack(tmp_path):
    source = Arrays(images=np.stack([PHOTO] * 4), labels=np.arange(4))
    pack(source, tmp_path / "set", augment=Augment(rotate(30)))
    with pytest.raises(PackError):
        pack(source, tmp_path / "set", augment=Augment(rotate(20)))


def test_the_repr_names_what_is_not_the_default():
    assert repr(Augment(rotate(20), flip())) == (
        "Augment(rotate(degrees=20), flip(horizontal=True, vertical=False))"
    )
    options = {"fill_mode": "constant", "cval": 7.0, "images": ("a", "b"), "masks": ()}
    augment = Augment(**options)
    assert repr(augment) == ("Augment(fill_mode='constant', cval=7.0, images=('a', 'b'), masks=())")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rotate(-1), "`degrees`"),
        (lambda: shear(90), "below 90"),
        (lambda: zoom(0, 1), "above 0"),
        (lambda: zoom(2, 1), "low <= high"),
        (lambda: brightness(-1, 1), "low <= high"),
        (lambda: shift(height=float("nan")), "`height`"),
        (lambda: Augment(fill_mode="edge"), "`fill_mode`"),
        (lambda: Augment(rotate), "Transforms must be objects"),
        (lambda: Augment(images=()), "at least one"),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()


def test_bad_samples_are_named():
    rng = np.random.default_rng(0)
    with pytest.raises(KeyError, match="no field 'images'"):
        Augment()({"x": PHOTO}, rng)
    with pytest.raises(ValueError, match="must be an image of shape"):
        Augment()({"images": np.zeros(4)}, rng)
    with pytest.raises(ValueError, match="differ in height"):
        Augment(masks="mask")({"images": PHOTO, "mask": PHOTO[1:, :, 0]}, rng)


@pytest.mark.parametrize("masks", [False, True])
def test_augment_is_a_transform_of_batches(tmp_path, masks):
    """Called itself, it changes one sample: a batch was taken for an image of four dimensions."""
    images = np.stack([PHOTO[row : row + 20, :30] for row in range(8)])
    fields = {"images": images, "labels": np.arange(8)}
    if masks:
        fields["masks"] = (images[..., :1] > 100).astype(np.uint8)
    roles = {"inputs": "images", "targets": ("masks", "labels")} if masks else {}
    pack(Arrays(**fields, **roles), tmp_path / "shards", shuffle=False)
    options = {"shuffle": None, "batch_size": 4, "seed": 3}
    plain = ShardSequence(tmp_path / "shards", **options)
    train = ShardSequence(tmp_path / "shards", transform=Augment(flip(), rotate(9)), **options)
    epochs = [[batch for batch in epoch] for epoch in train.epochs(2)]
    again = ShardSequence(tmp_path / "shards", transform=Augment(flip(), rotate(9)), **options)
    np.testing.assert_array_equal(epochs[0][0][0], next(iter(again))[0])
    assert (epochs[0][0][0] != epochs[1][0][0]).any()
    assert epochs[0][0][0].dtype == np.uint8
    flips = ShardSequence(tmp_path / "shards", transform=Augment(flip()), **options)
    changed = 0
    for (x, y), (image, target) in zip(flips, plain, strict=True):
        for row in range(len(image)):
            is_flipped = bool((x[row] == image[row][:, ::-1]).all())
            assert is_flipped or (x[row] == image[row]).all()
            changed += is_flipped
            if masks:
                expected = target[0][row][:, ::-1] if is_flipped else target[0][row]
                np.testing.assert_array_equal(y[0][row], expected)
    assert 0 < changed < 8


def test_a_batch_without_the_field_of_the_images_names_its_fields():
    with pytest.raises(KeyError, match=r"The batch has no field 'images'. Its fields are \['x'\]"):
        Augment(flip()).transform_batch({"x": np.zeros((2, 4, 4, 3))}, np.random.default_rng(0))


def test_a_method_of_the_same_name_in_a_class_of_the_user_is_not_called(tmp_path):
    class Own:
        def __call__(self, batch, rng):
            return {"x": batch["x"] + 1}

        def transform_batch(self, batch, rng):
            raise AssertionError

    class Derived(Augment):
        """Keeps the meaning of the class that it derives from."""

        def transform_batch(self, batch, rng):
            return {"x": super().transform_batch(batch, rng)["x"] + 2}

    pack(Arrays(x=np.zeros((4, 5, 5, 3))), tmp_path / "shards")
    assert ShardSequence(tmp_path / "shards", 4, transform=Own())[0][0].max() == 1
    derived = Derived(flip(), images="x")
    assert ShardSequence(tmp_path / "shards", 4, transform=derived)[0][0].max() == 2
