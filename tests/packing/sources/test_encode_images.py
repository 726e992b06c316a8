"""New images are read as the packed ones were."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from keras_bigdata import (
    Arrays,
    ImageFolder,
    ImageTable,
    PackError,
    ShardIndex,
    ShardSequence,
    encode_images,
    pack,
)
from tests.helpers.packs import read_rows


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    names = ["a/0.png", "a/1.jpg", "b/0.png", "b/1.jpg"]
    for number, name in enumerate(names):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (40 + 9 * number, 30 + number, 3)
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(path)
    return tmp_path / "photos", names


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"color": "grayscale"},
        {"resize": "pad", "interpolation": "lanczos"},
        {"resize": "crop", "dtype": "float32"},
    ],
)
def test_new_files_are_read_as_packed_ones(photos, tmp_path, options):
    folder, names = photos
    index = pack(ImageFolder(folder, size=(24, 16), **options), tmp_path / "s", shuffle=False)
    packed = read_rows(index)["images"]
    paths = [folder / name for name in names]
    for of in (index, ShardIndex.load(tmp_path / "s"), ShardSequence(tmp_path / "s")):
        images = encode_images(paths, of)
        assert images.dtype == packed.dtype
        np.testing.assert_array_equal(images, packed)


def test_what_cannot_be_encoded_is_named(photos, tmp_path):
    folder, names = photos
    index = pack(ImageFolder(folder, size=(8, 8)), tmp_path / "s")
    with pytest.raises(TypeError, match="a list of paths, not one"):
        encode_images(str(folder / names[0]), index)
    with pytest.raises(PackError, match=r"missing\.jpg: "):
        encode_images([folder / "missing.jpg"], index)
    with pytest.raises(ValueError, match="there is no field 'left'"):
        encode_images([folder / names[0]], index, field="left")
    with pytest.raises(TypeError, match="must be a ShardIndex"):
        encode_images([folder / names[0]], "shards")
    arrays = pack(Arrays(images=np.zeros((4, 8, 8, 3), np.uint8)), tmp_path / "a")
    with pytest.raises(ValueError, match=r"not packed from image files.*Arrays"):
        encode_images([folder / names[0]], arrays)
    table = {"l": [names[0]], "r": [names[1]]}
    pair = pack(
        ImageTable(table, root=folder, image={"left": "l", "right": "r"}, size=(8, 8)),
        tmp_path / "p",
    )
    encoded = encode_images([folder / names[1]], pair, field="right")
    np.testing.assert_array_equal(encoded, read_rows(pair)["right"])
