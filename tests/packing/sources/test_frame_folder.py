"""Videos as folders of frames, from files to batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_bigdata import FrameFolder, ImageTable, PackError, ShardSequence, pack
from keras_bigdata.shards.fields.roles import Roles


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """clips/KIND/NAME/frameN.png; frame N has the value N."""
    for video in range(6):
        folder = tmp_path / "clips" / ("wave" if video % 2 else "clap") / f"{video}"
        folder.mkdir(parents=True)
        (folder / ".hidden.png").write_bytes(b"")
        (folder / "notes.txt").write_text("no frame")
        for frame in range(11 if video else 2):
            Image.fromarray(np.full((9, 9), frame, np.uint8)).save(folder / f"frame{frame}.png")
    return tmp_path / "clips"


def test_frames_are_evenly_spaced_in_the_order_of_their_numbers(clips: Path, tmp_path: Path):
    source = FrameFolder(clips, frames=5, size=(4, 6), color="grayscale")
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
    (clips / "clap/2/frame10.png").write_bytes(b"not an image")
    with pytest.raises(PackError, match=r"clap/2: frame10\.png: "):
        FrameFolder(clips, frames=2, size=(4, 6))[1]
    (clips / "clap/empty").mkdir()
    with pytest.raises(PackError, match=r"clap/empty: there are no images in the folder"):
        pack(FrameFolder(clips, frames=2, size=(4, 6)), tmp_path / "shards")
    with pytest.raises(PackError, match="there are no videos in class folders"):
        FrameFolder(clips / "clap", frames=2, size=(4, 6))
    with pytest.raises(PackError, match="no such folder"):
        FrameFolder(tmp_path / "none", frames=2, size=(4, 6))
    with pytest.raises(ValueError, match="`frames` must be an integer of at least 1"):
        FrameFolder(clips, frames=0, size=(4, 6))
    with pytest.raises(ValueError, match="`mask` is for images"):
        ImageTable({"a": ["b"]}, image="a", mask="a", frames=2, size=(4, 6))
