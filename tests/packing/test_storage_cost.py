"""What the forms of images cost, and the rule by which `store="auto"` chooses."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata import PackError
from keras_bigdata.packing.forms import disk_rate, storage_cost
from keras_bigdata.packing.forms.disk_rate import measure_disk_rate
from keras_bigdata.packing.forms.storage_cost import (
    FormCost,
    StorageCost,
    measure_storage,
)
from keras_bigdata.packing.forms.store_choice import choose_store, spread
from keras_bigdata.packing.sources.arrays import Arrays
from keras_bigdata.packing.storage_estimate import estimate_storage
from keras_bigdata.storage.paths.remote_path import RemotePath
from tests.helpers.image_files import write_image

# A million images of 128x128 on a slow disk.
COST = StorageCost(
    images=1_000_000,
    forms={"pixels": FormCost(50_000), "jpeg": FormCost(7_000, decode_rate=10_000)},
    disk_rate=200e6,
    cores=2,
    memory=16 * 10**9,
    decoder="simplejpeg",
)


def test_the_disk_limits_pixels_and_the_decoder_limits_jpeg():
    assert COST.disk_images("pixels") == 4_000
    assert COST.decoded_images("pixels") is None
    assert COST.decoded_images("jpeg") == 20_000
    assert (COST.limit("pixels"), COST.limit("jpeg")) == ("disk", "decoder")
    assert COST.choice == "jpeg"
    for part in ("50.0 KB as pixels", "7.0 KB as JPEG", "50.0 GB, more than half", "8.0 GB"):
        assert part in COST.reason
    assert "200.0 MB/s, 4,000 images/s as pixels" in COST.reason
    assert "2 cores decode 20,000 images/s with simplejpeg" in COST.reason


def test_a_disk_that_reads_faster_than_the_cores_decode():
    assert replace(COST, disk_rate=1000e6).choice == "pixels"
    assert replace(COST, disk_rate=999e6).choice == "jpeg"
    assert replace(COST, disk_rate=1000e6, cores=4).choice == "jpeg"
    slow = replace(COST, disk_rate=10e6, memory=8 * 10**9)
    assert (slow.limit("pixels"), slow.limit("jpeg")) == ("disk", "disk")


def test_a_set_that_stays_in_memory():
    small = replace(COST, images=160_000)
    assert small.choice == "pixels"
    assert "fits in half of the memory" in small.reason
    assert (small.limit("pixels"), small.limit("jpeg")) == ("memory", "decoder")
    assert replace(COST, images=160_001).choice == "jpeg"


def test_an_unknown_disk_and_images_that_jpeg_makes_no_smaller():
    unknown = replace(COST, disk_rate=None)
    assert unknown.choice == "jpeg"
    assert "could not be measured" in unknown.reason
    assert unknown.limit("pixels") == "unknown"
    tiny = {"pixels": FormCost(300), "jpeg": FormCost(700, 10_000)}
    assert replace(COST, forms=tiny).choice == "pixels"


def test_behind_a_url_the_smaller_form_is_chosen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(storage_cost, "_SECONDS", 0.001)
    pixels = [np.full((16, 16, 3), 7 * number, np.uint8) for number in range(3)]
    place = RemotePath("memory://bucket/set")
    cost = storage_cost.measure_storage(pixels, 90, images=10, directory=place)
    smaller = "jpeg" if cost.forms["jpeg"].image_bytes < 768 else "pixels"
    assert cost.disk_rate is None
    assert cost.choice == smaller
    fits = replace(COST, images=10)
    assert fits.choice == "pixels", "in memory after the first epoch"
    remote = replace(fits, is_remote=True)
    assert remote.choice == "jpeg"
    assert "read over a network" in remote.reason


def test_the_disk_is_measured_and_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(disk_rate, "_FILE_BYTES", 2**20)
    rate = measure_disk_rate(tmp_path / "not" / "yet" / "there")
    assert rate is None or rate > 0
    assert list(tmp_path.iterdir()) == []
    if os.access("/dev/shm", os.W_OK):  # lies in memory
        assert measure_disk_rate(Path("/dev/shm")) is None
    monkeypatch.setattr(disk_rate, "_existing", lambda directory: Path("/proc"))
    assert measure_disk_rate(tmp_path) is None


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_rate, "_FILE_BYTES", 2**20)
    monkeypatch.setattr(storage_cost, "_SECONDS", 0.001)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_and_rates_are_those_of_the_sample(tmp_path: Path, channels: int):
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (3, 32, 48, channels), np.uint8))
    cost = measure_storage(images, 90, images=7, directory=tmp_path, with_png=True)
    assert list(cost.forms) == ["pixels", "jpeg", "png"]
    assert cost.forms["pixels"] == FormCost(32 * 48 * channels)
    assert cost.set_bytes("pixels") == 7 * 32 * 48 * channels
    for form in ("jpeg", "png"):
        assert cost.forms[form].decode_rate > 0
    worse = measure_storage(images, 10, images=7, directory=tmp_path)
    assert worse.forms["jpeg"].image_bytes < cost.forms["jpeg"].image_bytes / 2


@pytest.mark.usefixtures("quick")
def test_without_simplejpeg_pillow_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(storage_cost, "simplejpeg", lambda: None)
    images = [np.zeros((8, 8, 3), np.uint8)]
    assert measure_storage(images, 90, images=1, directory=tmp_path).decoder == "Pillow"


@pytest.mark.usefixtures("quick")
def test_a_folder_of_images(tmp_path: Path):
    for number in range(40):
        write_image(tmp_path / "photos" / "ab"[number % 2] / f"{number}.jpg", number * 4, (60, 90))
    (tmp_path / "photos" / "a" / "0.jpg").write_text("broken")
    (tmp_path / "photos" / "notes.txt").write_text("not an image")
    cost = estimate_storage(tmp_path / "photos", (16, 24), directory=tmp_path)
    assert cost.images == 40
    assert list(cost.forms) == ["pixels", "jpeg", "png", "file"]
    assert cost.forms["pixels"].image_bytes == 16 * 24 * 3
    gray = estimate_storage(tmp_path / "photos", (16, 24), color="grayscale")
    assert gray.forms["pixels"].image_bytes == 16 * 24
    (tmp_path / "empty").mkdir()
    with pytest.raises(PackError, match="there are no image files"):
        estimate_storage(tmp_path / "empty", (16, 24))
    with pytest.raises(PackError, match="elsewhere: cannot be listed"):
        estimate_storage(tmp_path / "elsewhere", (16, 24))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "0.jpg").write_text("broken")
    with pytest.raises(PackError, match=r"no image of the sample can be read.*0\.jpg"):
        estimate_storage(tmp_path / "broken", (16, 24))
    with pytest.raises(ValueError, match="`quality`"):
        estimate_storage(tmp_path / "photos", (16, 24), quality=0)


def test_rows_that_are_no_images_of_8_bits_are_pixels(tmp_path: Path):
    source: Any = Arrays(x=np.zeros((4, 8, 8, 3), np.float32), labels=np.arange(4))
    chosen = choose_store(source, ["x"], 90, tmp_path, rows=4)
    assert chosen.store == "pixels"
    assert "JPEG cannot hold float32" in chosen.reason


def test_the_sample_is_spread():
    assert spread(3, 32) == [0, 1, 2]
    assert spread(100, 4) == [0, 33, 66, 99]
