"""Images in class folders, read row by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from keras_bigdata import ImageFolder, PackError
from keras_bigdata.shards.fields.roles import Roles
from tests.helpers.image_files import write_image

SIZE = (4, 6)


def test_class_folders(tmp_path: Path):
    for number, name in enumerate(["b/2.PNG", "b/deep/1.png", "a/x.png", "b/10.png"]):
        write_image(tmp_path / name, number)
    (tmp_path / "b" / "notes.txt").write_text("not an image")
    (tmp_path / "a" / ".x.png.swp").write_text("hidden")
    write_image(tmp_path / ".cache" / "c.png", 9)
    (tmp_path / "empty").mkdir()
    source = ImageFolder(tmp_path, size=SIZE)
    assert source.classes == ["a", "b", "empty"]
    files = [str(Path(source.file(row)).relative_to(tmp_path)) for row in range(len(source))]
    assert files == ["a/x.png", "b/10.png", "b/2.PNG", "b/deep/1.png"]
    assert [int(source[row]["labels"]) for row in range(4)] == [0, 1, 1, 1]
    assert [int(source[row]["images"].max()) for row in range(4)] == [2, 3, 0, 1]
    assert source.roles == Roles("images", "labels")


def test_folders_without_images_are_refused(tmp_path: Path):
    with pytest.raises(PackError, match=r"no images in class folders.*found folders: none"):
        ImageFolder(tmp_path, size=SIZE)
    write_image(tmp_path / "1.png", 0)
    (tmp_path / "cat").mkdir()
    with pytest.raises(PackError, match="found folders: cat"):
        ImageFolder(tmp_path, size=SIZE)
    with pytest.raises(PackError, match="no such folder"):
        ImageFolder(tmp_path / "none", size=SIZE)


def test_folders_of_validation_data_take_the_classes_of_the_training_data(tmp_path: Path):
    for name in ("train/a/1.png", "train/b/1.png", "test/b/1.png", "test/zebra/1.png"):
        write_image(tmp_path / name, 0)
    train = ImageFolder(tmp_path / "train", size=SIZE)
    with pytest.raises(ValueError, match=r"does not name 1 of the 2 folders in .*'zebra'"):
        ImageFolder(tmp_path / "test", size=SIZE, classes=train)
    (tmp_path / "test" / "zebra" / "1.png").unlink()
    test = ImageFolder(tmp_path / "test", size=SIZE, classes=train)
    assert (test.classes, test[0]["labels"]) == (["a", "b"], 1)


def test_the_fingerprint_stays_the_same_over_releases(tmp_path: Path):
    # It is stored with packed sets: with another one, an older set could be neither continued nor
    # repaired. Older releases called grayscale "grey".
    for name in ("flowers/rose/1.png", "flowers/tulip/2.png"):
        write_image(tmp_path / name, 0)
    source = ImageFolder(tmp_path / "flowers", size=SIZE, color="grayscale")
    assert source.fingerprint() == {
        "kind": "ImageFolder",
        "rows": 2,
        "rows_sha256": "7d29f54b887287b05b263a26894a0052ef038deaed99a73c436104c238da199f",
        "roles": {"inputs": "images", "targets": "labels", "sample_weights": None},
        "classes": ["rose", "tulip"],
        "text_length": None,
        "vocabulary_sha256": "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b",
        "folder": "flowers",
        "files_sha256": "ea5f4f9cf0551af947c011c38fbaa6484fe133d6c18c5ff3e38f8f1b94ce4efe",
        "size": [4, 6],
        "color": "grey",
        "frames": None,
    }
