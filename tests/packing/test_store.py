"""Images packed as JPEG, PNG or files: what the shards hold, and that a pack continues the same."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from keras_bigdata import (
    ImageTable,
    PackError,
    ShardIndex,
    encode_images,
    pack,
    repair,
)
from keras_bigdata.integrity.repack import Repacker
from keras_bigdata.packing.forms import decided_forms
from keras_bigdata.packing.forms.store_choice import StoreChoice
from keras_bigdata.packing.planning import plan
from keras_bigdata.packing.sources.image_rows import ImageRows
from keras_bigdata.shards.reading.read_column import read_ragged
from tests.helpers.packs import read_files
from tests.packing.small_sources import break_photos, open_table

SIZE = (16, 16)


def stored_rows(index: ShardIndex, field: str = "images") -> list[bytes]:
    """Returns the bytes of the rows of a field, in the order of the shards."""
    rows: list[bytes] = []
    for shard in range(len(index)):
        ragged = read_ragged(index, shard, field)
        content = pickle.loads(index.path(shard).read_bytes())[field]
        np.testing.assert_array_equal(content["values"], ragged.values)
        np.testing.assert_array_equal(content["offsets"], ragged.offsets)
        pieces = zip(ragged.offsets[:-1], ragged.offsets[1:], strict=True)
        rows += [ragged.values[start:stop].tobytes() for start, stop in pieces]
    return rows


def decode(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def brighten(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    sample["images"] = np.minimum(sample["images"], 200) + np.uint8(rng.integers(0, 50))
    return sample


@pytest.mark.parametrize("color", ["rgb", "grayscale"])
def test_png_holds_the_pixels(photos: Path, tmp_path: Path, color: Any):
    source = open_table(photos, store="png", color=color)
    index = pack(source, tmp_path / "s", shuffle=False)
    channels = 3 if color == "rgb" else 1
    field = index.fields["images"]
    assert (field.codec, field.shape, field.dtype) == ("png", (*SIZE, channels), np.uint8)
    assert index.provenance["source"]["store"] == "png"
    for row, content in enumerate(stored_rows(index)):
        image = decode(content).reshape(*SIZE, channels)
        np.testing.assert_array_equal(image, source[row]["images"])


def test_jpeg_is_encoded_after_augment(photos: Path, tmp_path: Path):
    source = open_table(photos, store="jpeg", quality=95, size=(64, 64)).select(range(20))
    pixels = open_table(photos, size=(64, 64)).select(range(20))
    options: dict[str, Any] = {"variants": 2, "augment": brighten, "seed": 3, "shard_samples": 10}
    index = pack(source, tmp_path / "jpeg", **options, workers=1)
    plain = pack(pixels, tmp_path / "pixels", **options, workers=1)
    assert index.provenance["source"]["quality"] == 95
    assert index.num_samples == plain.num_samples
    encoded = stored_rows(index)
    expected = np.concatenate(
        [pickle.loads(plain.path(s).read_bytes())["images"] for s in range(len(plain))]
    )
    assert len(encoded) == len(expected) == 40
    assert {Image.open(io.BytesIO(content)).format for content in encoded} == {"JPEG"}
    decoded = np.stack([decode(content) for content in encoded]).astype(int)
    assert np.abs(decoded - expected).mean(axis=(1, 2, 3)).max() < 8
    assert sum(map(len, encoded)) < expected.nbytes / 2


def test_the_bytes_do_not_depend_on_the_workers(photos: Path, tmp_path: Path):
    source = open_table(photos, store="jpeg")
    for workers in (1, 2):
        pack(source, tmp_path / str(workers), shard_samples=7, workers=workers)
    assert read_files(tmp_path / "1") == read_files(tmp_path / "2")


def test_masks_stay_pixels(photos: Path, tmp_path: Path):
    Image.fromarray(np.full((20, 20), 2, np.uint8)).save(photos / "mask.png")
    table = {"file": ["0.jpg", "2.jpg"], "mask": ["mask.png"] * 2}
    source = ImageTable(table, image="file", mask="mask", root=photos, size=SIZE, store="jpeg")
    index = pack(source, tmp_path / "s")
    assert index.fields["masks"].codec is None
    assert (pickle.loads(index.path(0).read_bytes())["masks"] == 2).all()


def test_several_images_in_a_row(photos: Path, tmp_path: Path):
    table = {"l": ["0.jpg", "2.jpg"], "r": ["4.jpg", "6.jpg"]}
    source = ImageTable(table, image={"left": "l", "right": "r"}, root=photos, store="file")
    index = pack(source, tmp_path / "s", shuffle=False)
    assert stored_rows(index, "left") == [(photos / name).read_bytes() for name in table["l"]]
    assert stored_rows(index, "right") == [(photos / name).read_bytes() for name in table["r"]]


def test_files_are_stored_as_they_are_and_bad_ones_are_left_out(photos: Path, tmp_path: Path):
    source = open_table(photos, store="file", size=None, color="grayscale")
    index = pack(source, tmp_path / "s", shuffle=False)
    field = index.fields["images"]
    assert (field.codec, field.shape, field.dtype) == ("file", (None, None, 1), np.uint8)
    files = [Path(source.file(row)).read_bytes() for row in range(len(source))]
    assert stored_rows(index) == files
    assert index.provenance["source"]["store"] == "file"
    break_photos(photos)
    with pytest.raises(PackError, match=r"row 10: .*10\.jpg.*No such file"):
        pack(source, tmp_path / "bad", workers=1, shuffle=False)
    index = pack(source, tmp_path / "skipped", shuffle=False, on_error="skip")
    assert [entry["row"] for entry in index.provenance["skipped"]] == [10, 21, 30]
    kept = [content for row, content in enumerate(files) if row not in (10, 21, 30)]
    assert stored_rows(index) == kept


def test_files_are_not_augmented(photos: Path, tmp_path: Path):
    source = open_table(photos, store="file", size=None)
    with pytest.raises(ValueError, match=r'`augment` changes pixels.*store="jpeg".*`transform`'):
        pack(source, tmp_path / "s", augment=brighten)
    assert not (tmp_path / "s").exists()


def test_an_image_that_augment_makes_a_float_is_refused(photos: Path, tmp_path: Path):
    def scale(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {**sample, "images": sample["images"] / 255}

    with pytest.raises(PackError, match=r"float64.*cannot be stored as jpeg.*store='pixels'"):
        pack(open_table(photos, store="jpeg"), tmp_path / "s", augment=scale, workers=1)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "SMALL_SHARD_BYTES", 4_096)
    monkeypatch.setattr(plan, "SHARD_BYTES", 20_000)


@pytest.mark.usefixtures("small_shards")
def test_shards_of_files_keep_their_rows_when_files_change(photos: Path, tmp_path: Path):
    """The rows of a shard follow from the sizes of the files: the first pack records them."""
    source = open_table(photos, store="file", size=None)
    out = tmp_path / "out"
    hidden = (photos / "40.jpg").rename(photos / "hidden")
    with pytest.raises(PackError, match="row 40"):
        pack(source, out, workers=1, shuffle=False)
    manifest = json.loads((out / ".packing" / "manifest.json").read_bytes())
    row_bytes = manifest["stored"]["row_bytes"]["images"]
    assert row_bytes == source.stored_forms["images"].row_bytes
    done = len(list(out.glob("shard-*.pkl")))
    assert done > 2
    # A file of another size, so that the average of all is another one.
    large = Image.effect_noise((900, 900), 90)
    large.convert("RGB").save(photos / "40.jpg")
    hidden.unlink()
    assert source.stored_forms["images"].row_bytes > 2 * row_bytes
    index = pack(source, out, shuffle=False)
    assert index.provenance["stored"] == {"row_bytes": {"images": row_bytes}}
    files = [Path(source.file(row)).read_bytes() for row in range(len(source))]
    assert stored_rows(index) == files
    # And when it is repaired: other rows than those of this shard may have changed.
    assert source.stored_forms["images"].row_bytes > 2 * row_bytes
    repacker = Repacker(index, source, None)
    (again,) = repacker.write([index[0]], 1).values()
    assert again.read_bytes() == index.path(0).read_bytes()
    repacker.clear()


@pytest.fixture
def choices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the measurements find, one after the other; an empty list allows none."""
    coming = ["jpeg"]

    def choose(self: ImageRows, directory: Path, variants: int = 1) -> StoreChoice:
        return StoreChoice(coming.pop(0), "it was measured")

    monkeypatch.setattr(ImageRows, "choose_store", choose)
    return coming


def test_a_choice_is_kept_when_the_pack_continues(
    photos: Path, tmp_path: Path, choices: list[str], capsys: pytest.CaptureFixture[str]
):
    source = open_table(photos, store="auto", quality=80)
    out = tmp_path / "out"
    hidden = (photos / "40.jpg").rename(photos / "hidden")
    with pytest.raises(PackError, match="row 40"):
        pack(source, out, shard_samples=6, workers=1)
    assert 'store="auto" chose "jpeg": it was measured.' in capsys.readouterr().err
    hidden.rename(photos / "40.jpg")
    assert not choices
    index = pack(source, out, shard_samples=6)
    assert index.fields["images"].codec == "jpeg"
    assert index.provenance["source"]["store"] == "auto"
    assert index.provenance["stored"] == {"store": "jpeg"}
    assert 'store="auto"' not in capsys.readouterr().err
    jpeg = pack(open_table(photos, store="jpeg", quality=80), tmp_path / "j", shard_samples=6)
    assert stored_rows(index) == stored_rows(jpeg)
    assert pack(source, out, shard_samples=6).num_samples == index.num_samples  # done already
    before = read_files(out)
    index.path(2).unlink()
    repair(out, source=source, dry_run=False)
    assert read_files(out) == before


def test_a_choice_of_pixels_is_kept_too(photos: Path, tmp_path: Path, choices: list[str]):
    choices[:] = ["pixels"]
    source = open_table(photos, store="auto")
    index = pack(source, tmp_path / "auto", shard_samples=20)
    assert index.fields["images"].codec is None
    assert index.provenance["stored"] == {"store": "pixels"}
    plain = pack(open_table(photos), tmp_path / "pixels", shard_samples=20)
    assert [index.path(s).read_bytes() for s in range(3)] == [
        plain.path(s).read_bytes() for s in range(3)
    ]
    before = read_files(tmp_path / "auto")
    index.path(0).unlink()
    repair(tmp_path / "auto", source=source, dry_run=False)
    assert read_files(tmp_path / "auto") == before


def test_what_is_appended_has_the_form_of_the_set(photos: Path, tmp_path: Path, choices: list[str]):
    choices.clear()
    first, second = open_table(photos).split(0.5)
    auto = open_table(photos, store="auto")
    first = open_table(photos, store="png").select(first.row_numbers(np.arange(len(first))))
    second = auto.select(second.row_numbers(np.arange(len(second))))
    pack(first, tmp_path / "png")
    with pytest.raises(PackError, match="the fields"):
        pack(second, tmp_path / "png", append=True)
    jpeg = open_table(photos, store="jpeg").select(range(30))
    pack(jpeg, tmp_path / "jpeg")
    index = pack(auto.select(range(30, 60)), tmp_path / "jpeg", append=True)
    assert index.num_samples == 60
    assert index.provenance["appended"][0]["stored"] == {"store": "jpeg"}
    before = read_files(tmp_path / "jpeg")
    index.path(len(index) - 1).unlink()
    repair(tmp_path / "jpeg", source=auto.select(range(30, 60)), dry_run=False)
    assert read_files(tmp_path / "jpeg") == before


def test_new_files_are_what_batches_hold(photos: Path, tmp_path: Path):
    names = ["0.jpg", "1.png"]
    options: dict[str, Any] = {"image": "file", "root": photos, "size": SIZE, "color": "grayscale"}
    for store in ("jpeg", "png"):
        source = ImageTable({"file": names}, store=store, **options)
        index = pack(source, tmp_path / store, shuffle=False)
        images = encode_images([photos / name for name in names], index)
        assert images.shape == (2, *SIZE, 1)
        for image, content in zip(images, stored_rows(index), strict=True):
            np.testing.assert_array_equal(image[..., 0], decode(content))
    source = ImageTable({"file": names}, image="file", root=photos, store="file")
    index = pack(source, tmp_path / "file")
    with pytest.raises(ValueError, match=r"no fixed size.*decode="):
        encode_images([photos / "0.jpg"], index)


def test_a_faster_decoder_is_recommended(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    source = open_table(photos, store="jpeg").select(range(3))
    pack(source, tmp_path / "a")
    assert "keras_bigdata[jpeg]" not in capsys.readouterr().err
    monkeypatch.setattr(decided_forms, "simplejpeg", lambda: None)
    pack(source, tmp_path / "b")
    assert capsys.readouterr().err.count('pip install "keras_bigdata[jpeg]"') == 1
    pack(open_table(photos).select(range(3)), tmp_path / "c")
    assert "keras_bigdata[jpeg]" not in capsys.readouterr().err


@pytest.mark.slow
def test_the_measurement_of_a_real_call(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    index = pack(open_table(photos, store="auto"), tmp_path / "s")
    assert index.provenance["stored"] == {"store": "pixels"}
    note = capsys.readouterr().err
    assert 'store="auto" chose "pixels": an image takes 768 B as pixels and' in note
    assert "fits in half of the memory" in note
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [
        "index.json",
        "shard-00000.pkl",
    ]
