"""Plots of a set: contact sheet, mistakes, classes."""

from __future__ import annotations

import numpy as np
import pytest

from keras_bigdata import Arrays, ImageFolder, ShardError, Shards, pack, plots
from tests.helpers.image_files import write_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for number in range(10):
        kind = folder / ("cat" if number < 7 else "dog")
        kind.mkdir(exist_ok=True)
        write_image(kind / f"{number}.png", 25 * number, (20 + number, 16))
    return folder


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("options", [{"size": (12, 16)}, {"store": "file"}])
def test_images_have_their_label_and_file(tmp_path, folder, render, options):
    pack(ImageFolder(folder, **options), tmp_path / "shards", verbose=0)
    axes = render(plots.samples(tmp_path / "shards", 5, columns=3))
    assert len(axes.images) == 5
    captions = dict(reversed(text.split("\n")) for text in texts(axes))
    assert all((int(name[0]) < 7) == (label == "cat") for name, label in captions.items())
    assert len(captions) == 5


def test_few_rows_and_numbers_without_names(tmp_path, render):
    images = np.zeros((3, 8, 8), np.uint16) + np.arange(3, dtype=np.uint16)[:, None, None]
    pack(Arrays(pictures=images, score=[0.5, 1.25, 2], targets="score"), tmp_path / "s", verbose=0)
    axes = render(plots.samples(tmp_path / "s"))
    assert sorted(texts(axes)) == ["0.5", "1.25", "2"]


def test_a_set_without_images_is_refused(tmp_path):
    pack(Arrays(x=np.zeros((4, 2)), y=np.zeros(4), targets="y"), tmp_path / "s", verbose=0)
    with pytest.raises(ShardError, match=r"has no field of images\. Its fields: 'x'"):
        plots.samples(tmp_path / "s")
    with pytest.raises(ShardError, match="class numbers are integers"):
        plots.classes(tmp_path / "s")


def test_the_rows_of_a_selection_are_counted(tmp_path, folder, render):
    pack(ImageFolder(folder, size=(8, 8)), tmp_path / "shards", verbose=0)
    axes = render(plots.classes(tmp_path / "shards"))
    assert texts(axes) == ["7 (70.0%)", "3 (30.0%)"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]
    shards = Shards(tmp_path / "shards").where(lambda columns: columns["labels"] == 1)
    assert texts(plots.classes(shards)) == ["3 (100.0%)"]


RESULT = {
    "images": np.zeros((4, 6, 6, 3), np.uint8),
    "labels": np.array([0, 1, 1, 0]),
    "outputs": np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.1, 0.9]]),
    "file": np.array(["a/0.png", "a/1.png", "a/2.png", "a/3.png"]),
}


def test_the_surest_mistake_comes_first(render):
    axes = render(plots.mistakes(RESULT, classes=["cat", "dog"]))
    assert texts(axes) == ["cat → dog\n3.png", "dog → cat\n1.png"]
    assert axes.get_title(loc="left") == "2 of 4 rows are classified wrongly"
    one = {**RESULT, "outputs": RESULT["outputs"][:, 1:]}
    assert texts(plots.mistakes(one, count=1)) == ["0 → 1\n3.png"]


def test_results_that_cannot_be_read_are_refused():
    with pytest.raises(ValueError, match="no column 'images'"):
        plots.mistakes({"labels": RESULT["labels"], "outputs": RESULT["outputs"]})
    with pytest.raises(ValueError, match="apply the sigmoid first"):
        plots.mistakes({**RESULT, "outputs": np.array([[3.0], [-2.0], [0.1], [0.5]])})
    with pytest.raises(ValueError, match="one array of the probabilities"):
        plots.mistakes({**RESULT, "outputs": (RESULT["outputs"],) * 2})
