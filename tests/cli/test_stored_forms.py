"""`pack images --store` and `estimate --size`."""

from __future__ import annotations

from pathlib import Path

import pytest

from keras_bigdata import Arrays, ShardIndex, pack
from keras_bigdata.cli import main
from keras_bigdata.packing.forms import disk_rate, storage_cost
from tests.helpers.image_files import write_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(6):
        write_image(tmp_path / "photos" / "ab"[number % 2] / f"{number}.png", number * 40)
    return tmp_path / "photos"


def test_images_are_stored_in_a_form(folder: Path, tmp_path: Path):
    out = tmp_path / "jpeg"
    command = ["pack", "images", str(folder), "-o", str(out), "--size", "8x8"]
    assert main([*command, "--store", "jpeg", "--quality", "70"]) == 0
    index = ShardIndex.load(out)
    assert index.fields["images"].codec == "jpeg"
    assert index.provenance["source"]["quality"] == 70
    command = ["pack", "images", str(folder), "-o", str(tmp_path / "file"), "--store", "file"]
    assert main([*command, "--grayscale"]) == 0
    assert ShardIndex.load(tmp_path / "file").fields["images"].shape == (None, None, 1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "--size is missing"),
        (["--store", "jpeg"], "--size is missing: with --store jpeg"),
        (["--size", "8x8", "--store", "file"], "--size and --store file exclude each other"),
        (["--size", "8x8", "--quality", "80"], "--quality is that of JPEG"),
        (["--size", "8x8", "--store", "png", "--dtype", "uint16"], "--dtype uint16 keeps more"),
    ],
)
def test_options_that_do_not_go_together(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    expected: str,
):
    assert main(["pack", "images", str(folder), "-o", str(tmp_path / "out"), *options]) == 1
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1


def test_the_forms_are_compared(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(disk_rate, "_FILE_BYTES", 2**20)
    monkeypatch.setattr(storage_cost, "_SECONDS", 0.001)
    command = ["estimate", str(folder), "--size", "16x32", "--quality", "80"]
    assert main([*command, "-o", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "6 images of 16x32; disk: " in printed
    rows = {line.split()[0]: line.split() for line in printed.splitlines() if line.strip()}
    assert rows["pixels"][1] == "1,536"
    assert {"jpeg", "png", "file"} <= rows.keys()
    assert 'store="auto" would choose "pixels"' in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--size", "8x8", "--epochs", "3"], "--epochs is for packed shards. Pass one of them"),
        (["--quality", "3"], "--quality is for a directory of image files.*Add --size"),
        (["--grayscale"], "--grayscale is for a directory of image files"),
        ([], "--epochs is missing.*For a directory of image files pass --size"),
        (["--epochs", "3"], "--pack-seconds is missing"),
        (["--size", "8x8"], "holds packed shards, and --size is for a directory of image files"),
    ],
)
def test_shards_and_image_files_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], expected: str
):
    pack(Arrays(x=[1, 2], labels=[0, 1]), tmp_path / "shards")
    capsys.readouterr()
    assert main(["estimate", str(tmp_path / "shards"), *options]) == 1
    error = capsys.readouterr().err
    for part in expected.split(".*"):
        assert part in error
