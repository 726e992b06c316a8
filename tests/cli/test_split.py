"""`--split` into a directory that holds a set of shards, or a part of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from keras_bigdata import ShardIndex
from keras_bigdata.cli import main
from tests.helpers.image_files import write_image
from tests.helpers.packs import read_files


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of six images."""
    for label in "ab":
        for number in range(6):
            write_image(tmp_path / "photos" / label / f"{number}.png", number)
    return tmp_path / "photos"


def pack(photos: Path, output: Path | str, *options: str) -> int:
    return main(["pack", "images", str(photos), "--size", "4x4", "-o", str(output), *options])


@pytest.mark.parametrize("options", [[], ["--append"]])
def test_a_split_is_not_packed_into_a_packed_set_that_has_its_rows(
    options: list[str], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "out"
    assert pack(photos, output) == 0
    before = read_files(output)
    assert pack(photos, output, "--split", "0.5", *options) == 1
    error = capsys.readouterr().err
    assert f"{output}: holds a packed set (index.json)" in error
    assert "Received: --split 0.5. Choose another directory" in error
    assert error.count("\n") == 1
    assert read_files(output) == before
    assert sorted(each.name for each in output.iterdir() if each.is_dir()) == []


def test_a_split_is_not_packed_into_an_unfinished_set(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_image(photos / "b" / "6.png", 6)
    (photos / "b" / "6.png").write_bytes(b"")
    output = tmp_path / "out"
    assert pack(photos, output, "--shard-samples", "2", "--workers", "1") == 1
    assert (output / ".packing").exists()
    capsys.readouterr()
    assert pack(photos, output, "--split", "0.5", "--on-error", "skip") == 1
    assert f"{output}: holds an unfinished pack (.packing)" in capsys.readouterr().err
    assert not (output / "train").exists()


def test_a_split_is_not_packed_into_a_packed_set_behind_a_url(
    photos: Path, capsys: pytest.CaptureFixture[str]
):
    url = "memory://split-of-a-set/out"
    assert pack(photos, url) == 0
    assert pack(photos, f"{url}/", "--split", "0.5") == 1
    assert f"{url}: holds a packed set (index.json)" in capsys.readouterr().err


def test_a_split_continues_and_is_appended_to(photos: Path, tmp_path: Path):
    output = tmp_path / "out"
    split = ("--split", "0.5")
    assert pack(photos, output, *split) == 0
    before = read_files(output / "val")
    assert pack(photos, output, *split) == 0
    assert pack(photos, output, *split, "--append") == 0
    assert read_files(output / "val") == before
    assert pack(photos, output, *split, "--repair") == 0
    for number in range(6, 10):
        write_image(tmp_path / "more" / "a" / f"{number}.png", number)
    assert pack(tmp_path / "more", output, *split, "--append") == 0
    assert ShardIndex.load(output / "val").num_samples == 8


def test_the_two_parts_of_a_mixed_directory_can_still_be_repaired(photos: Path, tmp_path: Path):
    output = tmp_path / "out"
    assert pack(photos, output, "--split", "0.5") == 0
    assert pack(photos, tmp_path / "all") == 0
    for file in (tmp_path / "all").iterdir():
        file.rename(output / file.name)
    val = read_files(output / "val")
    shard = next((output / "val").glob("*.pkl"))
    shard.unlink()
    assert pack(photos, output, "--split", "0.5", "--repair") == 0
    assert read_files(output / "val") == val
