from __future__ import annotations

import csv
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from skimage import data, io

from keras_bigdata import ShardIndex, ShardSequence
from keras_bigdata.cli import main


@pytest.fixture
def photos(photos_of_module, tmp_path):
    """30 image files, crops of two images, with a CSV of captions and labels."""
    return shutil.copytree(photos_of_module, tmp_path / "photos")


@pytest.fixture(scope="module")
def photos_of_module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    photo = {"coffee": data.coffee(), "cat": data.cat()}
    with open(folder / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "caption", "label"])
        for number in range(30):
            label = ("coffee", "cat")[number % 3 == 0]
            crop = photo[label][number : number + 60, number : number + 50]
            io.imsave(folder / f"{number}.png", crop, check_contrast=False)
            table.writerow([f"{number}.png", f"crop {number} of {label}", label])
    return folder


COLUMNS = ["--image", "file", "--text", "caption", "--label", "label"]


def test_pack_images_from_a_csv_and_info(photos, tmp_path, capsys):
    table = str(photos / "labels.csv")
    output = tmp_path / "shards"
    assert main(["pack", "images", table, *COLUMNS, "--size", "20x24", "-o", str(output)]) == 0
    assert "30 samples in 1 shard" in capsys.readouterr().out

    assert main(["info", str(output)]) == 0
    output = capsys.readouterr().out
    for line in (
        "samples: 30",
        "'images': uint8 (rows, 20, 24, 3), 1.4 KB per row",
        "'labels': int32 (rows), 4 B per row",
        "inputs: ('images', 'texts')",
        "targets: labels",
        "0: cat (10)",
        "1: coffee (20)",
    ):
        assert line in output


def test_split_shares_classes_and_vocabulary(photos, tmp_path):
    command = ["pack", "images", str(photos / "labels.csv"), *COLUMNS, "--size", "8x8"]
    assert main([*command, "--split", "0.3", "-o", str(tmp_path / "shards")]) == 0
    train = ShardIndex.load(tmp_path / "shards/train")
    val = ShardIndex.load(tmp_path / "shards/val")
    assert (train.num_samples, val.num_samples) == (21, 9)
    assert train.classes == val.classes
    assert train.vocabulary == val.vocabulary
    assert train.fields == val.fields


def test_like_uses_the_classes_vocabulary_and_length_of_the_training_set(photos, tmp_path):
    command = ["pack", "images", str(photos / "labels.csv"), *COLUMNS, "--size", "8x8"]
    assert main([*command, "-o", str(tmp_path / "train")]) == 0
    with open(photos / "more.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [("file", "caption", "label"), ("1.png", "an unknown crop of a longer text", "cat")]
        )
    more = ["pack", "images", str(photos / "more.csv"), *COLUMNS, "--size", "8x8"]
    assert main([*more, "--like", str(tmp_path / "train"), "-o", str(tmp_path / "val")]) == 0
    train, val = ShardIndex.load(tmp_path / "train"), ShardIndex.load(tmp_path / "val")
    assert (val.classes, val.vocabulary, val.fields) == (
        train.classes,
        train.vocabulary,
        train.fields,
    )
    (_, texts), labels = ShardSequence(tmp_path / "val")[0]
    assert labels.tolist() == [0]
    assert texts[0, 0] == 1  # "an" is an unknown word


def test_pack_images_from_class_folders(photos, tmp_path, capsys):
    for label in ("a", "b"):
        (tmp_path / "classes" / label).mkdir(parents=True)
    (photos / "1.png").rename(tmp_path / "classes/a/1.png")
    (photos / "2.png").rename(tmp_path / "classes/b/2.png")
    command = ["pack", "images", str(tmp_path / "classes"), "--size", "8x8", "--grayscale"]
    assert main([*command, "-o", str(tmp_path / "shards")]) == 0
    index = ShardIndex.load(tmp_path / "shards")
    assert index.classes == ["a", "b"]
    assert index.fields["images"].shape == (8, 8, 1)
    assert main([*command, "--label", "x", "-o", str(tmp_path / "other")]) == 1
    assert "--label is for a CSV" in capsys.readouterr().err


def test_errors_are_one_line_and_status_1(photos, tmp_path, capsys):
    (photos / "7.png").write_bytes(b"not an image")
    command = ["pack", "images", str(photos / "labels.csv"), *COLUMNS, "--size", "8x8"]
    assert main([*command, "-o", str(tmp_path / "shards")]) == 1
    assert "7.png" in capsys.readouterr().err
    assert main([*command, "-o", str(tmp_path / "skipped"), "--on-error", "skip"]) == 0
    assert main(["info", str(tmp_path / "skipped")]) == 0
    assert "skipped while packing: 1 row" in capsys.readouterr().out
    assert main(["info", str(tmp_path / "nowhere")]) == 1
    assert "no such directory" in capsys.readouterr().err


def test_info_of_pickles_without_an_index(shards, capsys):
    assert main(["info", str(shards([3, 4]))]) == 0
    output = capsys.readouterr().out
    assert "pickles without an index" in output
    assert "samples: 7" in output
    assert "2 of 3 to 4 samples" in output


def test_an_invalid_size(capsys):
    with pytest.raises(SystemExit):
        main(["pack", "images", "x.csv", "--size", "big", "-o", "y"])
    assert "expected HEIGHTxWIDTH such as 128x128" in capsys.readouterr().err


def test_columns_may_be_separated_by_tabs(photos, tmp_path):
    table = (photos / "labels.csv").read_text().replace(",", "\t")
    (photos / "labels.tsv").write_text(table)
    command = ["pack", "images", str(photos / "labels.tsv"), *COLUMNS, "--size", "8x8"]
    assert main([*command, "--delimiter", r"\t", "-o", str(tmp_path / "shards")]) == 0
    with pytest.raises(SystemExit):
        main([*command, "--delimiter", ";;", "-o", str(tmp_path / "other")])


def test_the_command_is_installed():
    result = subprocess.run(
        [sys.executable, "-m", "keras_bigdata.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip()


def test_grayscale_rows_are_what_was_packed(photos, tmp_path):
    command = ["pack", "images", str(photos / "labels.csv"), *COLUMNS, "--size", "60x50"]
    assert main([*command, "--grayscale", "-o", str(tmp_path / "shards")]) == 0
    (images, _), _ = ShardSequence(tmp_path / "shards", 30)[0]
    expected = io.imread(photos / "4.png").mean()
    assert any(abs(float(image.mean()) - expected) < 20 for image in images)
    assert images.dtype == np.uint8


def test_pack_images_with_masks_several_labels_and_measures(tmp_path):
    folder = tmp_path / "scenes"
    (folder / "masks").mkdir(parents=True)
    cat = data.cat()
    with open(folder / "scenes.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "kind", "weather", "height"])
        for number in range(6):
            image = cat[number : number + 20, :30]
            io.imsave(folder / f"{number}.png", image, check_contrast=False)
            io.imsave(
                folder / "masks" / f"{number}.png",
                (image[..., 0] > 120).astype(np.uint8),
                check_contrast=False,
            )
            table.writerow([number, "ab"[number % 2], ["sun", "rain"][number // 3], number / 2])
    command = ["pack", "images", str(folder / "scenes.csv"), "--image", "{id}.png"]
    command += ["--mask", "masks/{id}.png", "--size", "8x10", "-o", str(tmp_path / "shards")]
    assert main([*command, "--label", "kind", "--label", "weather", "--target", "height"]) == 0
    index = ShardIndex.load(tmp_path / "shards")
    assert index.classes == {"kind": ["a", "b"], "weather": ["rain", "sun"]}
    assert index.fields["masks"].shape == (8, 10, 1)
    assert set(index.roles.names) == {"images", "masks", "kind", "weather", "targets"}
    assert main(["info", str(tmp_path / "shards")]) == 0


def test_pack_videos_from_class_folders(tmp_path):
    cat = data.cat()
    for label, video in (("wave", "1"), ("wave", "2"), ("jump", "1")):
        folder = tmp_path / "clips" / label / video
        folder.mkdir(parents=True)
        for frame in range(4):
            image = cat[:9, frame : frame + 9]
            io.imsave(folder / f"{frame}.png", image, check_contrast=False)
    command = ["pack", "images", str(tmp_path / "clips"), "--frames", "3", "--size", "8x8"]
    assert main([*command, "-o", str(tmp_path / "shards")]) == 0
    index = ShardIndex.load(tmp_path / "shards")
    assert index.fields["videos"].shape == (3, 8, 8, 3)
    assert index.classes == ["jump", "wave"]


def test_pack_texts(tmp_path):
    table = tmp_path / "reviews.csv"
    table.write_text("review,tags\na good cup,tea|good\na bad one,\nnot good at all,good\n")
    command = ["pack", "texts", str(table), "--text", "review", "--label", "tags"]
    assert main([*command, "--separator", "|", "-o", str(tmp_path / "shards")]) == 0
    index = ShardIndex.load(tmp_path / "shards")
    assert index.fields["texts"].shape == (4,)
    assert index.fields["labels"].shape == (2,)
    more = ["pack", "texts", str(table), "--text", "review", "--like", str(tmp_path / "shards")]
    assert main([*more, "-o", str(tmp_path / "more")]) == 0
    assert ShardIndex.load(tmp_path / "more").vocabulary == index.vocabulary


def test_pack_hdf5(tmp_path, capsys):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["train/x"] = np.arange(60).reshape(20, 3)
        file["y"] = np.arange(20) % 2
        file["x"] = np.ones((20, 2, 2), np.uint8)
        file["age"] = np.linspace(0, 1, 20)
    command = ["pack", "hdf5", str(tmp_path / "data.h5")]
    assert main([*command, "--split", "0.25", "-o", str(tmp_path / "plain")]) == 0
    assert ShardIndex.load(tmp_path / "plain" / "val").classes == [0, 1]
    ages = ["--image", "train/x", "--target", "age", "-o", str(tmp_path / "ages")]
    assert main([*command, *ages]) == 0
    index = ShardIndex.load(tmp_path / "ages")
    assert (index.roles.inputs, index.roles.targets) == ("images", "age")
    assert main([*command, "--image", "none", "-o", str(tmp_path / "none")]) == 1
    assert "The datasets are: 'age'" in capsys.readouterr().err


def test_like_is_for_test_sets_without_labels_too(photos, tmp_path, capsys):
    command = ["pack", "images", str(photos / "labels.csv"), "--image", "file", "--size", "8x8"]
    assert main([*command, *COLUMNS, "-o", str(tmp_path / "train")]) == 0
    like = ["--like", str(tmp_path / "train"), "-o", str(tmp_path / "test")]
    assert main([*command, "--text", "caption", *like]) == 0
    train, test = ShardIndex.load(tmp_path / "train"), ShardIndex.load(tmp_path / "test")
    assert (test.vocabulary, test.classes, test.roles.targets) == (train.vocabulary, None, None)
    # A new vocabulary or new classes would number the words and labels differently.
    without_texts = ["--label", "label", "-o", str(tmp_path / "labels")]
    assert main([*command, *without_texts]) == 0
    more = ["--like", str(tmp_path / "labels"), "-o", str(tmp_path / "more")]
    assert main([*command, *COLUMNS, *more]) == 1
    assert "labels: these shards have no vocabulary" in capsys.readouterr().err
    more[1] = str(tmp_path / "test")
    assert main([*command, *COLUMNS, *more]) == 1
    assert "test: these shards have no classes" in capsys.readouterr().err


def test_an_unusable_scheduler_is_one_line(photos, tmp_path, capsys, monkeypatch):
    command = ["pack", "images", str(photos / "labels.csv"), *COLUMNS, "--size", "8x8"]
    command += ["-o", str(tmp_path / "shards"), "--scheduler", "tcp://127.0.0.1:1"]
    assert main([*command, "--workers", "2"]) == 1
    assert "--workers 2 is a number of processes on this machine" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(command) == 1
    assert "pip install 'keras_bigdata[dask]'" in capsys.readouterr().err
    assert not (tmp_path / "shards").exists()
