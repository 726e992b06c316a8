"""Numbers, several images and several texts as inputs of tables, from tables to `fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from keras_bigdata import ImageTable, PackError, ShardSequence, TextTable, encode_texts, pack
from tests.helpers.image_files import write_image

SIZE = (4, 5)


@pytest.fixture
def columns(tmp_path: Path) -> dict[str, list[Any]]:
    """Four rows of two images, two texts and two numbers."""
    for row in range(4):
        write_image(tmp_path / f"l{row}.png", row, SIZE)
        write_image(tmp_path / f"r{row}.png", 100 + row, SIZE)
    return {
        "l": [f"l{row}.png" for row in range(4)],
        "r": [f"r{row}.png" for row in range(4)],
        "t": ["red", "blue", "red", "green red"],
        "b": ["a cup", "a red cup is here", "red", "a"],
        "age": [1, "2.5", 3, 4],
        "height": [0.5, 0.25, -1, 2],
        "label": list("xyxy"),
    }


def first_batch(source: Any, directory: Path) -> Any:
    pack(source, directory, shuffle=False, verbose=0)
    return ShardSequence(directory, len(source), shuffle=None)[0]


def test_numbers_are_one_more_input(columns: dict[str, list[Any]], tmp_path: Path):
    source = TextTable(columns, text="t", numbers=("age", "height"), label="label")
    assert source.roles.inputs == ("texts", "numbers")
    (texts, numbers), _ = first_batch(source, tmp_path / "texts")
    assert texts.dtype == np.int32
    assert numbers.dtype == np.float32
    assert numbers.tolist() == [[1, 0.5], [2.5, 0.25], [3, -1], [4, 2]]
    images = ImageTable(columns, image="l", root=tmp_path, size=SIZE, numbers="age", text="t")
    assert images.roles.inputs == ("images", "texts", "numbers")
    assert images[1]["numbers"].tolist() == [2.5]


def test_rows_without_a_number_are_refused_or_skipped(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("t,age\na,1\nb,\nc,inf\nd,16777217\n")
    source = TextTable(path, text="t", numbers="age")
    with pytest.raises(PackError, match=r"t\.csv, line 3: age: there is no number.*line 4: age: '"):
        pack(source, tmp_path / "out")
    assert pack(source, tmp_path / "out", on_error="skip", verbose=0).num_samples == 2
    assert any("1 whole numbers, such as 16777217" in note for note in source.packing_notes())
    with pytest.raises(TypeError, match="`numbers` must be the name of a column or a list"):
        TextTable(path, text="t", numbers=["age", "age"])


def test_several_images_texts_and_numbers_are_a_dict_of_inputs(
    columns: dict[str, list[Any]], tmp_path: Path
):
    source = ImageTable(
        columns,
        image={"left": "l", "right": "r{age}.png"},
        text={"title": "t", "body": "b"},
        numbers=["height"],
        label="label",
        root=tmp_path,
        size=SIZE,
    )
    assert "r2.5.png" in str(list(source.source_files()))
    source = ImageTable(
        columns,
        image={"left": "l", "right": "r"},
        text={"title": "t", "body": "b"},
        numbers=["height"],
        label="label",
        root=tmp_path,
        size=SIZE,
    )
    inputs, _ = first_batch(source, tmp_path / "out")
    assert list(inputs) == ["left", "right", "title", "body", "numbers"]
    assert inputs["left"][:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert inputs["right"][:, 0, 0, 0].tolist() == [100, 101, 102, 103]
    assert [inputs[name].shape for name in ("title", "body")] == [(4, 2), (4, 5)]
    # One vocabulary: "red" has one number.
    red = source.vocabulary.index("red")
    assert (inputs["title"][0, 0], inputs["body"][1, 1]) == (red, red)
    assert source.text_length == {"title": 2, "body": 5}
    assert "left (4, 5, 3), right (4, 5, 3), title (2,), and 2 more" in repr(source)

    sequence = ShardSequence(tmp_path / "out", 2)
    new = encode_texts(["red green blue"], sequence, field="title")
    assert new.tolist() == [[red, source.vocabulary.index("green")]]
    assert encode_texts(["red"], source, field="body").shape == (1, 5)
    with pytest.raises(ValueError, match="no texts in a field 'texts'"):
        encode_texts(["red"], sequence)
    again = TextTable(columns, text={"title": "b", "body": "t"}, vocabulary=sequence.index)
    assert again.text_length == {"title": 2, "body": 5}
    short = TextTable(columns, text={"t": "t", "b": "b"}, text_length={"t": 1, "b": 3})
    assert (short[3]["t"].shape, short[3]["b"].shape) == ((1,), (3,))

    layers = {
        "left": keras.Input((*SIZE, 3), dtype="uint8", name="left"),
        "right": keras.Input((*SIZE, 3), dtype="uint8", name="right"),
        "title": keras.Input((2,), dtype="int32", name="title"),
        "body": keras.Input((5,), dtype="int32", name="body"),
        "numbers": keras.Input((1,), name="numbers"),
    }
    flat = [keras.layers.Flatten()(keras.ops.cast(x, "float32")) for x in layers.values()]
    output = keras.layers.Dense(2, "softmax")(keras.layers.Concatenate()(flat))
    model = keras.Model(layers, output)
    model.compile("sgd", "sparse_categorical_crossentropy")
    history = model.fit(sequence, shuffle=False, verbose=0).history
    assert len(history["loss"]) == 1


def test_a_bad_image_of_several_is_named(columns: dict[str, list[Any]], tmp_path: Path):
    (tmp_path / "r2.png").unlink()
    pair = {"left": "l", "right": "r"}
    source = ImageTable(columns, image=pair, label="label", root=tmp_path, size=SIZE)
    with pytest.raises(PackError, match=r"r2\.png: No such file"):
        source[2]
    columns["r"][1] = None
    source = ImageTable(columns, image=pair, root=tmp_path, size=SIZE)
    assert "there is no file name" in source.problems[1]


def test_rows_that_share_one_of_several_images_stay_together(
    columns: dict[str, list[Any]], tmp_path: Path
):
    columns["r"] = ["l1.png", "r1.png", "r2.png", "r3.png"]  # row 0 and row 1 share l1.png
    pair = {"left": "l", "right": "r"}
    source = ImageTable(columns, image=pair, root=tmp_path, size=SIZE)
    for seed in range(8):
        for part in source.split(0.5, seed=seed):
            files = {part.file(row)[-6:] for row in range(len(part))}
            assert ("l0.png" in files) == ("l1.png" in files)
    fingerprints = {
        str(ImageTable(columns, image=image, root=tmp_path, size=SIZE).fingerprint())
        for image in ("l", pair, {"left": "l", "right": "l"}, {"left": "l", "other": "r"})
    }
    assert len(fingerprints) == 4


def test_a_mask_is_compared_with_each_image(tmp_path: Path):
    """The second image is turned by its EXIF orientation, and the mask is not."""
    write_image(tmp_path / "l.jpg", 1, (4, 6))
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "r.jpg", exif=turned)
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "m.png")
    table = {"l": ["l.jpg"], "r": ["r.jpg"], "m": ["m.png"]}
    for image, is_refused in (({"a": "l", "b": "l"}, False), ({"a": "l", "b": "r"}, True)):
        source = ImageTable(table, image=image, mask="m", root=tmp_path, size=(4, 4))
        if is_refused:
            with pytest.raises(PackError, match="EXIF orientation"):
                source[0]
        else:
            assert list(source[0]) == ["a", "b", "masks"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": {"a": "l"}, "text": {"a": "t"}}, r"`text` must not .*\['a'\].*of `image`"),
        ({"image": {"numbers": "l"}, "numbers": "age"}, "`numbers` must not .*of `image`"),
        ({"image": {"labels": "l"}, "label": "label"}, "`label` must not .*of `image`"),
        ({"image": {"masks": "l"}, "mask": "r"}, "`mask` must not .*of `image`"),
        ({"image": "l", "label": ["numbers"], "numbers": "age"}, "`label` must .*of `numbers`"),
        ({"image": {}}, "`image` must not be an empty dict"),
        ({"image": "l", "text": {"a": "t"}, "text_length": {"b": 2}}, "one for each field"),
    ],
)
def test_fields_that_two_arguments_define_are_refused(
    options: dict[str, Any], message: str, columns: dict[str, list[Any]]
):
    with pytest.raises(ValueError, match=message):
        ImageTable(columns, size=SIZE, **options)
