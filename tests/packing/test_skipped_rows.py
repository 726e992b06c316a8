"""Which row of the source a packed row is, when some were left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_bigdata import ImageTable, ShardSequence, pack
from tests.helpers.image_files import write_image


def test_packed_rows_have_their_files_when_rows_were_skipped(tmp_path: Path):
    """The files of wrong predictions are found in `provenance["skipped"]`."""
    for row in range(20):
        write_image(tmp_path / f"{row}.png", row * 10)
    for bad in (2, 11):
        (tmp_path / f"{bad}.png").write_bytes(b"<html>")
    labels = [None if row == 5 else row % 3 for row in range(20)]
    table = {"file": [f"{row}.png" for row in range(20)], "label": labels}
    photos = ImageTable(table, image="file", label="label", size=(4, 4), root=tmp_path)
    options = {"on_error": "skip", "shard_samples": 3, "workers": 1}
    index = pack(photos, tmp_path / "out", shuffle=False, **options)
    skipped = [entry["row"] for entry in index.provenance["skipped"]]
    assert skipped == [2, 5, 11]
    assert [Path(entry["file"]).name for entry in index.provenance["skipped"]] == [
        f"{row}.png" for row in skipped
    ]
    rows = np.delete(np.arange(len(photos)), skipped)
    val = ShardSequence(tmp_path / "out", 4).unshuffled()
    pixels = np.concatenate([x[:, 0, 0, 0] for x, _ in val])
    assert pixels.tolist() == (rows * 10).tolist()
    assert [Path(photos.file(row)).name for row in rows[:3]] == ["0.png", "1.png", "3.png"]


def test_a_part_of_a_source_has_row_numbers_of_its_own(tmp_path: Path):
    for row in range(8):
        write_image(tmp_path / f"{row}.png", row * 10)
    (tmp_path / "6.png").write_bytes(b"<html>")
    photos = ImageTable(
        {"file": [f"{row}.png" for row in range(8)]}, image="file", size=(4, 4), root=tmp_path
    )
    part = photos.select([7, 6, 1])
    index = pack(part, tmp_path / "out", shuffle=False, on_error="skip", workers=1)
    assert [entry["row"] for entry in index.provenance["skipped"]] == [1]
    assert Path(part.file(1)).name == "6.png"
