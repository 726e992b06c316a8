"""Pairs of images and masks, from files to batches."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from skimage import data

from keras_bigdata import ImageTable, PackError, ShardSequence, pack
from keras_bigdata.packing.sources.images.masks import load_mask
from keras_bigdata.shards.fields.roles import Roles

SIZE = (32, 48)


def classes_of(image: np.ndarray) -> np.ndarray:
    """Four classes by brightness, with numbers that are not in a row."""
    return np.array([0, 3, 17, 255], np.uint8)[image.astype(int) // 64]


@pytest.fixture
def pairs(pairs_of_module: Path, tmp_path: Path) -> Path:
    """Photographs in scenes/ and masks with palettes in masks/."""
    return shutil.copytree(pairs_of_module, tmp_path, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def pairs_of_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("pairs")
    for folder in ("scenes", "masks"):
        (tmp_path / folder).mkdir()
    photo = data.camera()
    for number, name in enumerate(["a", "b", "c", "d", "e"]):
        gray = photo[number * 40 :][:300, :400]
        Image.fromarray(gray).save(tmp_path / f"scenes/{name}.png")
        mask = Image.fromarray(classes_of(gray))
        mask.putpalette(np.random.default_rng(0).integers(0, 255, 768).tolist())
        mask.save(tmp_path / f"masks/{name}.png")
    return tmp_path


def open_pairs(folder: Path, **options: object) -> ImageTable:
    columns = {"id": ["a", "b", "c", "d", "e"], "kind": ["x", "y", "x", "y", "x"]}
    return ImageTable(
        columns, image="scenes/{id}.png", mask="masks/{id}.png", root=folder, size=SIZE, **options
    )


def test_masks_keep_their_class_numbers_and_lie_on_their_images(pairs: Path, tmp_path: Path):
    source = open_pairs(pairs, color="grayscale")
    index = pack(source, tmp_path / "shards", shuffle=False)
    assert str(index.fields["masks"]) == "'masks': uint8 (rows, 32, 48, 1)"
    assert index.roles == Roles("images", "masks")
    x, y = ShardSequence(tmp_path / "shards", 5, shuffle=None)[0]
    assert set(np.unique(y)) == {0, 3, 17, 255}
    # Where the image is far from the edges between classes, both resized alike agree.
    inside = np.abs((x % 64).astype(int) - 32) < 12
    assert (classes_of(x) == y)[inside].mean() > 0.9
    off_by_two = np.roll(y, 2, axis=2)
    assert (classes_of(x) == off_by_two)[inside].mean() < 0.9


def test_masks_with_labels_are_two_targets_and_are_split_together(pairs: Path):
    source = open_pairs(pairs, label="kind")
    assert source.roles == Roles("images", ("masks", "labels"))
    for part in source.split(0.4):
        for row in range(len(part)):
            name = Path(part.file(row)).name
            expected = load_mask(pairs / "masks" / name, SIZE)
            np.testing.assert_array_equal(part[row]["masks"], expected)


def test_another_mask_is_another_pack(pairs: Path, tmp_path: Path):
    pack(open_pairs(pairs), tmp_path / "shards")
    (pairs / "other").symlink_to(pairs / "masks")
    columns = {"id": ["a", "b", "c", "d", "e"]}
    other = ImageTable(
        columns, image="scenes/{id}.png", mask="other/{id}.png", root=pairs, size=SIZE
    )
    with pytest.raises(PackError, match="holds the shards of another call"):
        pack(other, tmp_path / "shards")


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (Image.fromarray(np.array([[0, 255], [3, 7]], np.uint8)), [[0, 255], [3, 7]]),
        (Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1"), [[0, 1], [1, 0]]),
        (Image.fromarray(np.array([[0, 200], [3, 7]], np.uint16)), [[0, 200], [3, 7]]),
    ],
)
def test_values_are_those_in_the_file(tmp_path: Path, mask: Image.Image, expected: object):
    mask.save(tmp_path / "mask.png")
    got = load_mask(tmp_path / "mask.png", (2, 2))
    np.testing.assert_array_equal(got[..., 0], expected)
    enlarged = load_mask(tmp_path / "mask.png", (6, 4))
    np.testing.assert_array_equal(enlarged[..., 0], np.repeat(np.repeat(expected, 3, 0), 2, 1))


def test_numpy_masks(tmp_path: Path):
    values = np.arange(12).reshape(3, 4, 1)
    np.save(tmp_path / "mask.npy", values)
    np.testing.assert_array_equal(load_mask(tmp_path / "mask.npy", (3, 4)), values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.zeros((2, 2, 3), np.uint8),
            "must have one channel. .*the channels R, G, B",
        ),
        (
            np.full((2, 2), 300, np.uint16),
            "whole numbers from 0 to 255. Received: u?int(16|32) from 300",
        ),
    ],
)
def test_images_that_are_not_masks_are_refused(pairs: Path, tmp_path: Path, values, message):
    Image.fromarray(values).save(pairs / "masks/c.png")
    with pytest.raises(PackError, match=rf"masks/c\.png, the mask of .*scenes/c\.png: .*{message}"):
        pack(open_pairs(pairs), tmp_path / "shards")


def test_a_lacking_mask_is_named_or_left_out(pairs: Path, tmp_path: Path):
    (pairs / "masks/d.png").unlink()
    with pytest.raises(PackError, match=r"row 3: .*masks/d\.png, the mask of .*No such file"):
        pack(open_pairs(pairs), tmp_path / "shards")
    index = pack(open_pairs(pairs), tmp_path / "some", on_error="skip")
    assert index.num_samples == 4
    assert index.provenance["skipped"][0]["row"] == 3
    nothing = ImageTable(
        {"file": ["scenes/a.png"], "mask": [None]},
        image="file",
        mask="mask",
        root=pairs,
        size=SIZE,
    )
    with pytest.raises(PackError, match="there is no file name in 'mask'"):
        pack(nothing, tmp_path / "none")


def test_masks_lie_on_images_that_a_camera_turned(tmp_path: Path):
    """The files hold the pixels on their side, and an EXIF orientation of 6."""
    lying = Image.Exif()
    lying[0x0112] = 6
    upright = np.zeros((60, 40), np.uint8)
    upright[5:30, 10:20] = 255
    on_its_side = Image.fromarray(np.rot90(upright))
    on_its_side.save(tmp_path / "image.png", exif=lying)
    Image.fromarray(upright // 255).save(tmp_path / "upright.png")
    Image.fromarray(np.rot90(upright) // 255).save(tmp_path / "turned.png", exif=lying)
    Image.fromarray(np.rot90(upright) // 255).save(tmp_path / "lying.png")
    names = ["upright.png", "turned.png", "lying.png"]
    columns = {"image": ["image.png"] * 3, "mask": names}
    source = ImageTable(
        columns, image="image", mask="mask", root=tmp_path, size=(60, 40), color="grayscale"
    )
    for row in (0, 1):
        np.testing.assert_array_equal(source[row]["images"] // 255, source[row]["masks"])
    with pytest.raises(PackError, match=r"lying\.png, the mask of .*40 high and 60 wide.*EXIF"):
        source[2]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(60, 40), (40, 40)])
def test_a_mask_without_the_orientation_of_its_image_does_not_lie_wrongly(
    shape: tuple[int, int], orientation: int, tmp_path: Path
):
    """Unless its shape is that of the upright image only, a mask may show the stored one."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.zeros(shape, np.uint8)
    stored[5:30, 10:20] = 1
    Image.fromarray(stored * 255).save(tmp_path / "image.png", exif=exif)
    Image.fromarray(stored).save(tmp_path / "same.png", exif=exif)
    Image.fromarray(stored).save(tmp_path / "stored.png")
    np.save(tmp_path / "stored.npy", stored)
    with Image.open(tmp_path / "same.png") as image:
        upright = ImageOps.exif_transpose(image)
    Image.fromarray(np.asarray(upright)).save(tmp_path / "upright.png")
    half = np.asarray(upright)[::2, ::2]
    Image.fromarray(half).save(tmp_path / "half.png")
    is_swapped = orientation >= 5
    masks = ["same.png", "stored.png", "stored.npy", "upright.png", "half.png"]
    size = shape[::-1] if is_swapped else shape
    source = ImageTable(
        {"image": ["image.png"] * 5, "mask": masks},
        image="image",
        mask="mask",
        root=tmp_path,
        size=size,
        color="grayscale",
    )
    certain = ["same.png"]
    if orientation == 1:
        certain = masks
    elif is_swapped and shape != (40, 40):
        certain += ["upright.png", "half.png"]
    for row, mask in enumerate(masks):
        if mask not in certain:
            with pytest.raises(PackError, match=rf"{mask}, the mask of .*exif_transpose"):
                source[row]
        elif mask != "half.png":
            np.testing.assert_array_equal(source[row]["images"] // 255, source[row]["masks"])


def test_a_mask_of_another_orientation_than_its_image_is_refused(tmp_path: Path):
    for orientation in (3, 6):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"{orientation}.png"
        Image.fromarray(np.zeros((40, 40), np.uint8)).save(path, exif=exif)
    with pytest.raises(
        PackError, match=r"EXIF orientation 3, and the mask has orientation 6: .*Save both upright"
    ):
        load_mask(tmp_path / "6.png", (8, 8), [tmp_path / "3.png"])


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_a_min_is_white_mask_is_not_inverted(dtype: str, tmp_path: Path):
    values = np.array([[0, 1], [1, 0]], dtype)
    tifffile.imwrite(tmp_path / "m.tif", values, photometric="miniswhite")
    with pytest.raises(PackError, match=r"0 is white .* Save it as .min is black"):
        load_mask(tmp_path / "m.tif", (2, 2))
    tifffile.imwrite(tmp_path / "m.tif", values, photometric="minisblack")
    np.testing.assert_array_equal(load_mask(tmp_path / "m.tif", (2, 2))[..., 0], values)


def test_an_int8_mask_and_large_uint32_are_refused_with_their_values(tmp_path: Path):
    tifffile.imwrite(tmp_path / "m.tif", np.full((2, 2), -1, "i1"), photometric="minisblack")
    with pytest.raises(PackError, match=r"int8.*Save it as int16 or uint8"):
        load_mask(tmp_path / "m.tif", (2, 2))
    tifffile.imwrite(tmp_path / "m.tif", np.full((2, 2), 2**32 - 6, "u4"), photometric="minisblack")
    with pytest.raises(PackError, match="uint32 from 4294967290"):
        load_mask(tmp_path / "m.tif", (2, 2))


@pytest.mark.parametrize("maxval", [3, 255, 1000])
def test_the_classes_of_a_pgm_mask_are_not_stretched(maxval: int, tmp_path: Path):
    values = np.array([[0, 1], [2, 3]], ">u2" if maxval > 255 else "u1")
    (tmp_path / "m.pgm").write_bytes(b"P5\n2 2\n%d\n" % maxval + values.tobytes())
    np.testing.assert_array_equal(load_mask(tmp_path / "m.pgm", (2, 2))[..., 0], values)


def test_whole_floats_are_class_numbers(tmp_path: Path):
    mask = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "whole.npy", mask)
    np.testing.assert_array_equal(load_mask(tmp_path / "whole.npy", (3, 4))[..., 0], mask)
    for value in (0.5, np.nan, 256, -1, 1e9):
        mask[0, 0] = value
        np.save(tmp_path / "other.npy", mask)
        with pytest.raises(PackError, match="whole numbers from 0 to 255"):
            load_mask(tmp_path / "other.npy", (3, 4))


def open_mask(folder: Path, name: str, **options: object) -> ImageTable:
    return ImageTable(
        {"image": ["scenes/a.png"], "mask": [name]},
        image="image",
        mask="mask",
        root=folder,
        size=(60, 60),
        **options,
    )


@pytest.fixture
def square(pairs: Path) -> np.ndarray:
    """A white square on black, 60 pixels high and wide."""
    mask = np.zeros((60, 60), np.uint8)
    mask[20:40, 20:40] = 255
    return mask


def test_a_jpeg_mask_is_refused_or_taken_for_the_nearest_values(pairs: Path, square: np.ndarray):
    Image.fromarray(square).save(pairs / "m.jpg", quality=75)
    with Image.open(pairs / "m.jpg") as stored:
        assert len(np.unique(stored)) > 10  # each of them was a class
    with pytest.raises(
        PackError, match=r"m\.jpg.*JPEG .* may change values: .* PNG.*\(0, 255\).*range\(256\)"
    ):
        open_mask(pairs, "m.jpg")[0]
    mask = open_mask(pairs, "m.jpg", mask_values=(0, 255))[0]["masks"][..., 0]
    np.testing.assert_array_equal(mask, square // 255)
    swapped = open_mask(pairs, "m.jpg", mask_values=[255, 0])[0]["masks"][..., 0]
    np.testing.assert_array_equal(swapped, 1 - square // 255)
    as_stored = open_mask(pairs, "m.jpg", mask_values=range(256))[0]["masks"]
    assert len(np.unique(as_stored)) > 10
    Image.fromarray(square).save(
        pairs / "m.jp2", irreversible=True, quality_mode="rates", quality_layers=[20]
    )
    with pytest.raises(PackError, match=r"m\.jp2.*may change values"):
        open_mask(pairs, "m.jp2")[0]
    Image.fromarray(square).save(pairs / "m.tif", compression="jpeg")
    with pytest.raises(PackError, match=r"m\.tif.*may change values"):
        open_mask(pairs, "m.tif")[0]


@pytest.mark.parametrize("name", ["m.png", "m.npy", "palette.png", "tiff.tif"])
def test_a_mask_of_0_and_255_has_two_readings(pairs: Path, square: np.ndarray, name: str):
    path = pairs / name
    if name == "m.npy":
        np.save(path, square.astype(float))
    elif name == "palette.png":
        image = Image.fromarray(square)
        image.putpalette(list(range(256)) * 3)
        image.save(path)
    else:
        Image.fromarray(square).save(path)
    with pytest.raises(PackError, match=r"values are 0 and 255: .* class 1 .*\(0, 255\).*range"):
        open_mask(pairs, name)[0]
    mask = open_mask(pairs, name, mask_values=(0, 255))[0]["masks"][..., 0]
    np.testing.assert_array_equal(mask, square // 255)
    mask = open_mask(pairs, name, mask_values=range(256))[0]["masks"][..., 0]
    np.testing.assert_array_equal(mask, square)


def test_a_white_mask_has_two_readings_and_a_black_one_has_not(pairs: Path):
    Image.new("L", (60, 60), 255).save(pairs / "white.png")
    Image.new("L", (60, 60), 0).save(pairs / "black.png")
    with pytest.raises(PackError, match="its values are 255: either white is class 1"):
        open_mask(pairs, "white.png")[0]
    assert not open_mask(pairs, "black.png")[0]["masks"].any()


def test_mask_values_are_the_values_of_the_classes(pairs: Path, square: np.ndarray):
    Image.fromarray(square.astype(np.uint16) * 257).save(pairs / "deep.png")
    mask = open_mask(pairs, "deep.png", mask_values=(65535, 0))[0]["masks"][..., 0]
    np.testing.assert_array_equal(mask, 1 - square // 255)
    with pytest.raises(PackError, match=r"it holds 65535, which is not among mask_values=\(0, 1"):
        open_mask(pairs, "deep.png", mask_values=(0, 1))[0]


def test_mask_values_are_part_of_what_a_pack_is(pairs: Path, tmp_path: Path):
    assert "mask_values" not in open_pairs(pairs).fingerprint()
    pack(open_pairs(pairs), tmp_path / "out")
    with pytest.raises(PackError, match=r"source.mask_values was absent and is \[0, 3, 17, 255\]"):
        pack(open_pairs(pairs, mask_values=(0, 3, 17, 255)), tmp_path / "out")


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ((), ValueError),
        ((0, 0), ValueError),
        (range(257), ValueError),
        ((-1, 0), ValueError),
        ((0.5,), TypeError),
        ((True, False), TypeError),
        ("01", TypeError),
        (255, TypeError),
    ],
)
def test_mask_values_that_are_not_a_list_of_integers_are_refused(pairs: Path, values, error):
    with pytest.raises(error, match="`mask_values"):
        open_pairs(pairs, mask_values=values)
    with pytest.raises(ValueError, match="`mask_values` needs `mask`"):
        ImageTable({"f": ["a"]}, image="f", size=(4, 4), mask_values=(0, 255))
