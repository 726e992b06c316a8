"""Folders of classes as systems and users leave them: links, stray files, other folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keras_bigdata import (
    FrameFolder,
    HDF5Table,
    ImageFolder,
    ImageTable,
    PackError,
    TextTable,
    pack,
)
from keras_bigdata.files import walk_directory
from tests.helpers.image_files import write_image

SIZE = (4, 6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two class folders with one image each."""
    write_image(tmp_path / "d" / "cat" / "1.png", 1)
    write_image(tmp_path / "d" / "dog" / "1.png", 2)
    return tmp_path / "d"


def labels_of(source: Any) -> list[str]:
    return [source.classes[int(source[row]["labels"])] for row in range(len(source))]


def test_links_within_a_class_are_followed(folder: Path, tmp_path: Path):
    for number in range(5):
        write_image(tmp_path / "elsewhere" / "deep" / f"{number}.png", number)
    (folder / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    (folder / "cat" / "2.png").symlink_to(tmp_path / "elsewhere" / "deep" / "0.png")
    write_image(tmp_path / "birds" / "1.png", 3)
    (folder / "bird").symlink_to(tmp_path / "birds")
    source = ImageFolder(folder, size=SIZE)
    assert labels_of(source) == ["bird", *["cat"] * 7, "dog"]
    # Twice in one class is once.
    (folder / "cat" / "again").symlink_to(tmp_path / "elsewhere" / "deep")
    assert len(ImageFolder(folder, size=SIZE)) == 9


def test_a_link_to_a_folder_around_it_is_refused(folder: Path):
    (folder / "cat" / "loop").symlink_to(folder)
    with pytest.raises(PackError, match=r"cat/loop: is a link to a folder that the link itself"):
        ImageFolder(folder, size=SIZE)
    (folder / "cat" / "loop").unlink()
    (folder / "cat" / "self").symlink_to(folder / "cat")
    assert len(ImageFolder(folder, size=SIZE)) == 2


@pytest.mark.parametrize(("link", "target"), [("cat/pets", "dog"), ("bird", "cat")])
def test_images_of_two_classes_are_refused(folder: Path, link: str, target: str):
    (folder / link).symlink_to(folder / target)
    with pytest.raises(PackError, match=r"would belong to two classes, .* both lead to .*Remove"):
        ImageFolder(folder, size=SIZE)


def test_a_video_of_two_classes_is_refused(tmp_path: Path):
    write_image(tmp_path / "d" / "wave" / "1" / "1.png", 1)
    (tmp_path / "d" / "jump").mkdir()
    (tmp_path / "d" / "jump" / "2").symlink_to(tmp_path / "d" / "wave" / "1")
    with pytest.raises(PackError, match=r"two classes, 'jump' and 'wave'"):
        FrameFolder(tmp_path / "d", frames=1, size=SIZE)


def test_folders_of_the_system_are_not_classes_and_are_reported(
    folder: Path, tmp_path: Path, capsys: Any
):
    for name in ("__MACOSX/cat/._1.png", "lost+found/1.png", "__pycache__/a.pyc"):
        write_image(folder / f"{name}.png", 3)
    write_image(folder / "cat" / "@eaDir" / "1.png" / "thumb.jpg", 4)
    (folder / "dog" / "__MACOSX").mkdir()
    source = ImageFolder(folder, size=SIZE)
    assert source.classes == ["cat", "dog"]
    assert labels_of(source) == ["cat", "dog"]
    assert capsys.readouterr().err == ""
    pack(source, tmp_path / "out")
    error = capsys.readouterr().err
    assert (
        f"{folder}: left out 5 folders of the system: __MACOSX, __pycache__, lost+found, ..."
        in error
    )
    pack(source, tmp_path / "silent", verbose=0)
    assert capsys.readouterr().err == ""


def test_files_that_are_left_out_are_reported(folder: Path, tmp_path: Path, capsys: Any):
    write_image(folder / "9.png", 3)
    (folder / "README.txt").write_text("not an image, and not in a class")
    for name in ("cat/1.heic", "cat/1.txt", "dog/Thumbs.db", "dog/.hidden.npy"):
        (folder / name).write_text("x")
    train, _ = ImageFolder(folder, size=SIZE).split(0.5)
    pack(train, tmp_path / "out")
    error = capsys.readouterr().err
    assert f"{folder}: left out 1 file in no folder of a class or video: 9.png" in error
    assert "left out 2 files without the suffix of an image: cat/1.heic, cat/1.txt" in error


def test_files_next_to_the_folders_of_videos_are_reported(tmp_path: Path, capsys: Any):
    write_image(tmp_path / "d" / "wave" / "1" / "1.png", 1)
    write_image(tmp_path / "d" / "wave" / "frame.png", 1)
    (tmp_path / "d" / "wave" / "2.mp4").write_text("x")
    pack(FrameFolder(tmp_path / "d", frames=1, size=SIZE), tmp_path / "out")
    assert "in no folder of a class or video: wave/2.mp4, wave/frame.png" in capsys.readouterr().err


def test_classes_that_lack_a_folder_are_refused(folder: Path):
    for name in ("bird", "cow", "empty"):
        (folder / name).mkdir()
    write_image(folder / "bird" / "1.png", 3)
    with pytest.raises(
        ValueError, match=r"`classes` \('cat', 'cow'\) does not name 2 of the 3 .*'bird', 'dog'\."
    ):
        ImageFolder(folder, size=SIZE, classes=["cat", "cow"])
    source = ImageFolder(folder, size=SIZE, classes=["dog", "cat", "bird"])
    assert labels_of(source) == ["bird", "cat", "dog"]
    with pytest.raises(ValueError, match="does not name 1 of the 1 folders"):
        FrameFolder(folder.parent, frames=1, size=SIZE, classes=["x"])


def test_a_folder_that_may_not_be_entered_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The refusal is simulated, because root may enter every folder."""
    import os

    scandir = os.scandir

    def refuse(path: Any = ".") -> Any:
        if Path(path) == folder / "dog" or Path(path) == folder.parent / "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    (folder.parent / "closed").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)
    for path in (folder, folder.parent / "closed"):
        for kind in (ImageFolder, FrameFolder):
            options = {"frames": 1} if kind is FrameFolder else {}
            with pytest.raises(PackError, match=r"cannot be listed \(Permission denied\)"):
                kind(path, size=SIZE, **options)
    with pytest.raises(OSError, match="cannot be listed"):
        list(walk_directory(folder))


def test_what_lies_in_a_folder_that_may_not_be_entered_is_not_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    import os

    stat = os.stat

    def refuse(path: Any, **options: Any) -> Any:
        if str(path).startswith(str(folder)):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    makers = (
        lambda: ImageFolder(folder / "cat", size=SIZE),
        lambda: HDF5Table(folder / "t.h5"),
        lambda: TextTable(folder / "t.csv", text="t"),
        lambda: ImageTable({"f": ["cat/1.png"]}, image="f", root=folder, size=SIZE)[0],
    )
    for make in makers:
        with pytest.raises(PackError, match=r"cannot be read \(Permission denied\)|: Permission d"):
            make()
