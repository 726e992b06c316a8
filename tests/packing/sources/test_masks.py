"""Pairs of pictures and masks; videos as folders of frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from keras_bigdata import FrameFolder, ImageTable, PackError, ShardSequence, pack
from keras_bigdata.packing.sources.masks import load_mask
from keras_bigdata.shards.roles import Roles

SIZE = (32, 48)


def classes_of(picture: np.ndarray) -> np.ndarray:
    """Four classes by brightness, with numbers that are not in a row."""
    return np.array([0, 3, 17, 255], np.uint8)[picture.astype(int) // 64]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Photographs in scenes/, masks with palettes in masks/, of another size each."""
    for folder in ("scenes", "masks"):
        (tmp_path / folder).mkdir()
    for number, name in enumerate(["a", "b", "c", "d", "e"]):
        grey = data.camera()[number * 40 :][:300, :400]
        Image.fromarray(grey).save(tmp_path / f"scenes/{name}.png")
        mask = Image.fromarray(classes_of(grey))
        mask.putpalette(np.random.default_rng(0).integers(0, 255, 768).tolist())
        mask.save(tmp_path / f"masks/{name}.png")
    return tmp_path


def open_pairs(folder: Path, **options: object) -> ImageTable:
    columns = {"id": ["a", "b", "c", "d", "e"], "kind": ["x", "y", "x", "y", "x"]}
    return ImageTable(
        columns, image="scenes/{id}.png", mask="masks/{id}.png", root=folder, size=SIZE, **options
    )


def test_masks_keep_their_class_numbers_and_lie_on_their_pictures(pairs: Path, tmp_path: Path):
    source = open_pairs(pairs, color="grey")
    index = pack(source, tmp_path / "shards", shuffle=False)
    assert str(index.fields["masks"]) == "'masks': uint8 (rows, 32, 48, 1)"
    assert index.roles == Roles("images", "masks")
    x, y = ShardSequence(tmp_path / "shards", 5, shuffle=None)[0]
    assert set(np.unique(y)) == {0, 3, 17, 255}
    # Where the picture is far from the edges between classes, both resized alike agree.
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
        (np.zeros((2, 2, 3), np.uint8), "must have one channel, and this picture has R, G, B"),
        (np.full((2, 2), 300, np.uint16), "whole numbers from 0 to 255. It has uint16 from 300"),
    ],
)
def test_pictures_that_are_no_masks_are_refused(pairs: Path, tmp_path: Path, values, message):
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


# Videos


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """clips/KIND/NAME/frameN.png; frame N has the grey value N."""
    for video in range(6):
        folder = tmp_path / "clips" / ("wave" if video % 2 else "clap") / f"{video}"
        folder.mkdir(parents=True)
        (folder / ".hidden.png").write_bytes(b"")
        (folder / "notes.txt").write_text("no frame")
        for frame in range(11 if video else 2):
            Image.fromarray(np.full((9, 9), frame, np.uint8)).save(folder / f"frame{frame}.png")
    return tmp_path / "clips"


def test_frames_are_evenly_spaced_in_the_order_of_their_numbers(clips: Path, tmp_path: Path):
    source = FrameFolder(clips, frames=5, size=(4, 6), color="grey")
    index = pack(source, tmp_path / "shards", shuffle=False, workers=2)
    assert str(index.fields["videos"]) == "'videos': uint8 (rows, 5, 4, 6, 1)"
    assert (index.classes, index.class_counts) == (["clap", "wave"], [3, 3])
    x, y = ShardSequence(tmp_path / "shards", 6, shuffle=None)[0]
    np.testing.assert_array_equal(x[1, :, 0, 0, 0], [0, 2, 5, 8, 10])
    np.testing.assert_array_equal(x[0, :, 0, 0, 0], [0, 0, 0, 1, 1])  # of two frames
    np.testing.assert_array_equal(y, [0, 0, 0, 1, 1, 1])
    train, held_out = source.split(1 / 3)
    assert sorted(int(held_out[row]["labels"]) for row in range(2)) == [0, 1]
    assert len(train) == 4


def test_videos_of_a_table(clips: Path):
    columns = {"clip": ["clap/2", "wave/1"], "speed": [1.5, 2.5]}
    source = ImageTable(columns, image="clip", target="speed", frames=1, root=clips, size=(4, 6))
    assert source.roles == Roles("videos", "targets")
    assert source[1]["videos"].shape == (1, 4, 6, 3)
    assert source[1]["targets"] == 2.5


def test_bad_videos_are_named(clips: Path, tmp_path: Path):
    (clips / "clap/2/frame10.png").write_bytes(b"no picture")
    with pytest.raises(PackError, match=r"clap/2: frame10\.png: "):
        FrameFolder(clips, frames=2, size=(4, 6))[1]
    (clips / "clap/empty").mkdir()
    with pytest.raises(PackError, match=r"clap/empty: there are no pictures in the folder"):
        pack(FrameFolder(clips, frames=2, size=(4, 6)), tmp_path / "shards")
    with pytest.raises(PackError, match="there are no videos in class folders"):
        FrameFolder(clips / "clap", frames=2, size=(4, 6))
    with pytest.raises(PackError, match="no such folder"):
        FrameFolder(tmp_path / "none", frames=2, size=(4, 6))
    with pytest.raises(ValueError, match="`frames` must be an integer of at least 1"):
        FrameFolder(clips, frames=0, size=(4, 6))
    with pytest.raises(ValueError, match="`mask` is for pictures"):
        ImageTable({"a": ["b"]}, image="a", mask="a", frames=2, size=(4, 6))


def test_masks_lie_on_pictures_that_a_camera_turned(tmp_path: Path):
    """Saved lying, with an EXIF orientation that raises them."""
    lying = Image.Exif()
    lying[0x0112] = 6
    upright = np.zeros((60, 40), np.uint8)
    upright[5:30, 10:20] = 255
    on_its_side = Image.fromarray(np.rot90(upright))
    on_its_side.save(tmp_path / "picture.png", exif=lying)
    Image.fromarray(upright // 255).save(tmp_path / "upright.png")
    Image.fromarray(np.rot90(upright) // 255).save(tmp_path / "turned.png", exif=lying)
    Image.fromarray(np.rot90(upright) // 255).save(tmp_path / "lying.png")
    names = ["upright.png", "turned.png", "lying.png"]
    columns = {"picture": ["picture.png"] * 3, "mask": names}
    source = ImageTable(
        columns, image="picture", mask="mask", root=tmp_path, size=(60, 40), color="grey"
    )
    for row in (0, 1):
        np.testing.assert_array_equal(source[row]["images"] // 255, source[row]["masks"])
    with pytest.raises(PackError, match=r"lying\.png, the mask of .*40 high and 60 wide.*EXIF"):
        source[2]


def test_whole_floats_are_class_numbers(tmp_path: Path):
    mask = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "whole.npy", mask)
    np.testing.assert_array_equal(load_mask(tmp_path / "whole.npy", (3, 4))[..., 0], mask)
    for value in (0.5, np.nan, 256, -1, 1e9):
        mask[0, 0] = value
        np.save(tmp_path / "other.npy", mask)
        with pytest.raises(PackError, match="whole numbers from 0 to 255"):
            load_mask(tmp_path / "other.npy", (3, 4))
