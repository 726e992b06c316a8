"""A list of classes selects rows, and what it leaves out is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from keras_bigdata import FrameFolder, ImageFolder, ImageTable, PackError, TextTable, pack
from tests.helpers.image_files import write_image

SIZE = (4, 4)
FLOWERS = ("daisy", "iris", "lily", "rose", "tulip")


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """Two images of each of five flowers."""
    for value, flower in enumerate(FLOWERS):
        for number in range(2):
            write_image(tmp_path / "flowers" / flower / f"{number}.png", value)
    return tmp_path / "flowers"


def test_a_list_selects_folders_and_numbers_them(
    flowers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source = ImageFolder(flowers, size=SIZE, classes=["tulip", "rose"])
    assert (len(source), source.classes) == (4, ["tulip", "rose"])
    rows = [(int(row["labels"]), int(row["images"].max())) for row in source]
    assert rows == [(1, 3), (1, 3), (0, 4), (0, 4)]
    assert "4 rows, 2 classes, 3 labels left out" in repr(source)
    index = pack(source, tmp_path / "out")
    assert index.class_counts == [2, 2]
    note = "left out 6 rows of 3 labels that `classes` does not list: 'daisy', 'iris', 'lily'"
    assert note in capsys.readouterr().err


def test_a_misspelled_class_is_refused(flowers: Path):
    with pytest.raises(ValueError, match=r"does not name 4 of the 5.*It lists 'rse' without"):
        ImageFolder(flowers, size=SIZE, classes=["rse", "tulip"])
    # Without rows that would be left out, classes without files are numbered as before.
    more = [*FLOWERS, "violet"]
    assert ImageFolder(flowers, size=SIZE, classes=more).classes == more
    two = ImageFolder(flowers, size=SIZE, classes=["rose", "tulip"])
    with pytest.raises(ValueError, match=r"does not name 3 of the 5.*of a source or index"):
        ImageFolder(flowers, size=SIZE, classes=two)


def test_videos_are_selected_too(flowers: Path):
    source = FrameFolder(flowers.parent, frames=1, size=SIZE, classes=["flowers"])
    assert (len(source), source.file(0)[-5:]) == (5, "daisy")
    (flowers.parent / "x" / "1").mkdir(parents=True)
    source = FrameFolder(flowers.parent, frames=1, size=SIZE, classes=["flowers"])
    assert len(source) == 5
    assert "1 label left out" in repr(source)


def test_a_list_selects_rows_of_a_table(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("t,l\na,cat\nb,dog\nc,cow\nd,\ne,dog\n")
    source = TextTable(path, text="t", label="l", classes=["dog", "cat"])
    assert len(source) == 4
    assert source.problems == {2: f"{path}, line 5: there is no label"}
    assert [int(source[row]["labels"]) for row in (0, 1, 3)] == [1, 0, 0]
    assert "c" not in source.vocabulary
    assert any("1 row of 1 label" in note for note in source.packing_notes())
    images = ImageTable(path, image="t", label="l", size=SIZE, classes=["cow"])
    assert (len(images), images.file(0)) == (2, str(tmp_path / "c"))
    with pytest.raises(ValueError, match=r"lists 'dgo' without a row in .*does not list 'dog'"):
        TextTable(path, text="t", label="l", classes=["dgo", "cat", "cow"])
    # The classes of a trained model do not select.
    test = TextTable(path, text="t", label="l", classes=images)
    with pytest.raises(PackError, match="label 'cat' is not among the classes"):
        test[0]
