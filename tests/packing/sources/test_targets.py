"""Targets of every kind, from real files through `pack` to batches and `fit`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage import data, io

from keras_bigdata import ImageTable, PackError, ShardIndex, ShardSequence, TextTable, pack

SIZE = (8, 12)


@pytest.fixture(scope="module")
def photos_of_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    photo = data.coffee()
    for number in range(12):
        io.imsave(folder / f"{number:02d}.png", photo[number * 9 :][:64, :96])
    return folder


@pytest.fixture
def photos(photos_of_module: Path, tmp_path: Path) -> Path:
    """Twelve pieces of a photograph, 00.png to 11.png."""
    return shutil.copytree(photos_of_module, tmp_path / "photos")


def table(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"id": range(12), **columns})


def open_photos(frame: object, folder: Path, **options: object) -> ImageTable:
    return ImageTable(frame, image="{id:02d}.png", root=folder, size=SIZE, **options)


COLORS = ["red", "blue", "red", "green"] * 3
KINDS = ["cup", "cup", "spoon", "spoon"] * 3


# Several label columns


def test_several_label_columns_are_several_targets(photos: Path, tmp_path: Path):
    source = open_photos(table(color=COLORS, kind=KINDS), photos, label=["color", "kind"])
    assert source.classes == {"color": ["blue", "green", "red"], "kind": ["cup", "spoon"]}
    index = pack(source, tmp_path / "shards", shuffle=False)
    assert index.roles.targets == ("color", "kind")
    assert ShardIndex.load(tmp_path / "shards").classes == source.classes
    _, (color, kind) = ShardSequence(tmp_path / "shards", batch_size=12, shuffle=None)[0]
    assert [index.classes["color"][number] for number in color] == COLORS
    assert [index.classes["kind"][number] for number in kind] == KINDS


def test_a_dict_of_labels_feeds_the_outputs_of_those_names(photos: Path, tmp_path: Path):
    frame = table(color=COLORS, kind=KINDS, price=np.linspace(1, 2, 12))
    label = {"hue": "color", "thing": "kind"}
    source = open_photos(frame, photos, label=label, target="price")
    train, held_out = source.split(0.25)
    pack(train, tmp_path / "train")
    index = pack(held_out, tmp_path / "val")
    assert index.classes == {"hue": ["blue", "green", "red"], "thing": ["cup", "spoon"]}
    again = open_photos(frame[:1], photos, label=label, target="price", classes=index)
    assert (again[0]["hue"], again[0]["thing"], again[0]["targets"]) == (2, 0, 1)
    image = keras.Input((*SIZE, 3), dtype="uint8")
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    model = keras.Model(
        image,
        {
            "hue": keras.layers.Dense(3, activation="softmax", name="hue")(pooled),
            "thing": keras.layers.Dense(2, activation="softmax", name="thing")(pooled),
            "targets": keras.layers.Dense(1, name="targets")(pooled),
        },
    )
    crossentropy = "sparse_categorical_crossentropy"
    model.compile(
        "sgd", {"hue": crossentropy, "thing": crossentropy, "targets": "mse"}, run_eagerly=True
    )
    history = model.fit(ShardSequence(tmp_path / "train", 4), shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_splits_keep_every_combination_of_labels(photos: Path):
    source = open_photos(table(color=COLORS, kind=KINDS), photos, label=["color", "kind"])
    train, held_out = source.split(1 / 3)
    pairs = [(int(row["color"]), int(row["kind"])) for row in (held_out[i] for i in range(4))]
    assert sorted(pairs) == sorted({(2, 0), (0, 0), (2, 1), (1, 1)})
    assert len(train) == 8


def test_label_columns_with_names_of_other_fields_are_refused(photos: Path):
    with pytest.raises(
        ValueError, match=r"must not name a field that another argument defines: \['texts'\]"
    ):
        open_photos(table(texts=COLORS, kind=KINDS), photos, label=["texts", "kind"])
    with pytest.raises(ValueError, match="a list for each label, and has none for 'kind'"):
        open_photos(
            table(kind=KINDS, color=COLORS), photos, label=["kind", "color"], classes=["cup"]
        )


@pytest.mark.parametrize("label", [[], ["a", "a"], 3, [3], {"a": 3}])
def test_labels_that_name_no_columns_are_refused(photos: Path, label: object):
    with pytest.raises(TypeError, match="`label` must"):
        open_photos(table(a=KINDS), photos, label=label)


# Several labels a row


def test_multi_label_strings_become_multi_hot(photos: Path, tmp_path: Path):
    tags = ["cat|dog", "dog", "", "bird | cat", "cat|cat", None] * 2
    source = open_photos(table(tags=tags), photos, label="tags", separator="|")
    assert source.classes == ["bird", "cat", "dog"]
    index = pack(source, tmp_path / "shards", shuffle=False)
    assert (index.classes, index.class_counts) == (["bird", "cat", "dog"], [2, 6, 4])
    _, y = ShardSequence(tmp_path / "shards", batch_size=6, shuffle=None)[0]
    assert y.dtype == np.uint8
    rows = [[0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]]
    np.testing.assert_array_equal(y, rows)
    # The same classes for another table, though it lacks some.
    more = open_photos(table(tags=["dog"] * 12), photos, label="tags", separator="|", classes=index)
    np.testing.assert_array_equal(more[0]["labels"], [0, 0, 1])
    as_lists = table(tags=[["dog", "cat"]] * 12)
    listed = open_photos(as_lists, photos, label="tags", separator="|", classes=index)
    np.testing.assert_array_equal(listed[0]["labels"], [0, 1, 1])


def test_multi_hot_targets_train(photos: Path, tmp_path: Path):
    source = open_photos(table(tags=["a|b", "a", "b", ""] * 3), photos, label="tags", separator="|")
    train, held_out = source.split(1 / 3)
    assert sorted(tuple(held_out[row]["labels"]) for row in range(4)) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    pack(train, tmp_path / "train")
    model = keras.Sequential(
        [
            keras.Input((*SIZE, 3), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="sigmoid"),
        ]
    )
    model.compile("sgd", "binary_crossentropy", metrics=["binary_accuracy"], run_eagerly=True)
    history = model.fit(ShardSequence(tmp_path / "train", 4), shuffle=False, verbose=0).history
    assert 0 <= history["binary_accuracy"][0] <= 1


def test_an_unknown_label_among_several_is_named(photos: Path, tmp_path: Path):
    frame = table(tags=["cat|cow", *["cat"] * 11])
    source = open_photos(frame, photos, label="tags", separator="|", classes=["cat", "dog"])
    with pytest.raises(PackError, match=r"00\.png.*'cow' is not among the classes \('cat', 'dog'"):
        pack(source, tmp_path / "shards")
    with pytest.raises(ValueError, match="`separator` must be the string between"):
        open_photos(frame, photos, separator="|")
    with pytest.raises(PackError, match="no label in any row"):
        open_photos(table(tags=[""] * 12), photos, label="tags", separator="|")


# Measured values


def test_regression_targets(photos: Path, tmp_path: Path):
    ages = [0.5, 1, "2.25", *range(3, 12)]
    source = open_photos(table(age=ages), photos, target="age")
    index = pack(source, tmp_path / "one", shuffle=False)
    assert (str(index.fields["targets"]), index.classes) == ("'targets': float32 (rows)", None)
    _, y = ShardSequence(tmp_path / "one", 12, shuffle=None)[0]
    np.testing.assert_array_equal(y, np.asarray(ages, np.float32))
    both = open_photos(table(x=ages, y=ages[::-1]), photos, target=["x", "y"])
    np.testing.assert_array_equal(both[2]["targets"], np.float32([2.25, 9]))
    assert [len(part) for part in both.split(0.25)] == [9, 3]


def test_a_missing_number_is_told_or_left_out(photos: Path, tmp_path: Path):
    frame = table(age=[1.0, None, "old", float("inf"), *range(8)])
    source = open_photos(frame, photos, target="age")
    with pytest.raises(
        PackError, match=r"01\.png: age: there is no number.*'old' is not a finite number"
    ):
        pack(source, tmp_path / "shards")
    index = pack(source, tmp_path / "shards", on_error="skip")
    assert index.num_samples == 9
    assert [entry["row"] for entry in index.provenance["skipped"]] == [1, 2, 3]


def test_a_number_that_float32_would_make_infinite_is_told():
    source = TextTable({"t": ["a", "b"], "y": ["1e300", 3e38]}, text="t", target="y")
    assert source.problems == {0: "row 0: y: '1e300' is too large for float32"}
    assert source[1]["targets"] == np.float32(3e38)


# Texts without images


def test_a_table_of_texts(tmp_path: Path):
    path = tmp_path / "reviews.csv"
    path.write_text('review,stars\n"Good, really good",5\nbad,1\ngood,5\nBAD thing,1\n,5\n')
    source = TextTable(path, text="review", label="stars", text_length=3)
    index = pack(source, tmp_path / "shards", shuffle=False)
    assert index.vocabulary == ["", "[UNK]", "good", "bad", "really", "thing"]
    assert (index.classes, index.class_counts) == ([1, 5], [2, 3])
    (x, y) = ShardSequence(tmp_path / "shards", 5, shuffle=None)[0]
    np.testing.assert_array_equal(x, [[2, 4, 2], [3, 0, 0], [2, 0, 0], [3, 5, 0], [0, 0, 0]])
    np.testing.assert_array_equal(y, [1, 0, 1, 0, 1])
    train, held_out = source.split(0.4)
    assert (len(train), len(held_out), held_out.vocabulary) == (3, 2, index.vocabulary)
    json.dumps(source.fingerprint())


def test_a_text_without_a_label_is_named_by_its_line(tmp_path: Path):
    path = tmp_path / "reviews.csv"
    path.write_text("review,stars\ngood,5\nbad,\n")
    with pytest.raises(PackError, match=r"reviews\.csv, line 3: there is no label"):
        pack(TextTable(path, text="review", label="stars"), tmp_path / "shards")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": "|"}, "`separator` must be the string between"),
        ({"label": "kind", "separator": ""}, "`separator` must be the string between"),
        ({"label": "kind", "separator": 3}, "`separator` must be the string between"),
        ({"classes": ["a"]}, "`classes` needs `label`"),
        # Labels used to be put in the place of the tokens, and numbers in that of labels.
        (
            {"label": {"texts": "kind"}},
            r"must not name a field that another argument defines: \['texts'\]",
        ),
        (
            {"label": {"targets": "kind"}, "target": "n"},
            r"must not name a field that another argument defines: \['targets'\]",
        ),
    ],
)
def test_a_table_of_texts_refuses_what_one_of_images_refuses(options, message):
    columns = {"review": ["good", "bad"], "kind": ["a", "b"], "n": [1, 2]}
    with pytest.raises(ValueError, match=message):
        TextTable(columns, text="review", **options)


# File names


def test_ids_without_extension(photos: Path, tmp_path: Path):
    Image.fromarray(data.cat()).save(photos / "x.JPG")
    (tmp_path / "ids.csv").write_text("id,folder\n3,photos\n11,photos\n")
    source = ImageTable(tmp_path / "ids.csv", image="{folder}/{id:02d}.png", size=SIZE)
    assert source.file(1) == str(photos / "11.png")
    assert source[1]["images"].shape == (*SIZE, 3)
    (tmp_path / "ids.csv").write_text("id\nx\n\ny\n")
    named = ImageTable(tmp_path / "ids.csv", image="photos/{id}.JPG", size=SIZE)
    assert [named.file(0), len(named)] == [str(photos / "x.JPG"), 2]
    source = ImageTable(tmp_path / "ids.csv", image="{id:02d}.png", size=SIZE)
    with pytest.raises(PackError, match=r"ids.csv, line 2\): 'x' in column 'id' does not fit the"):
        pack(source, tmp_path / "shards")
    with pytest.raises(PackError, match="no column 'name'"):
        ImageTable(tmp_path / "ids.csv", image="{name}.png", size=SIZE)
    for pattern in ("{}.png", "{id", "{id.x}.png"):
        with pytest.raises(ValueError, match="`image`"):
            ImageTable(tmp_path / "ids.csv", image=pattern, size=SIZE)


def test_whole_ids_that_pandas_made_floats_name_files(photos: Path, tmp_path: Path):
    frame = pd.DataFrame({"id": [3.0, None, 11.0], "kind": ["a", "b", "c"]})
    for pattern in ("{id:02d}.png", "{id:02.0f}.png"):
        source = ImageTable(frame, image=pattern, root=photos, size=SIZE)
        assert [source.file(row) for row in (0, 2)] == [
            str(photos / n) for n in ("03.png", "11.png")
        ]
        index = pack(source, tmp_path / pattern[4:7], on_error="skip")
        assert [entry["row"] for entry in index.provenance["skipped"]] == [1]
    assert ImageTable(frame, image="{id}.png", root="p", size=SIZE).file(2) == "p/11.png"


def test_folders_in_a_table_from_windows_are_found(photos: Path, tmp_path: Path):
    (tmp_path / "table.csv").write_text("file,kind\nphotos\\01.png,a\nphotos\\none.png,b\n")
    source = ImageTable(
        tmp_path / "table.csv", image="file", mask="file", size=SIZE, color="grayscale"
    )
    assert source.file(0) == str(photos / "01.png")
    with pytest.raises(PackError, match=r"none\.png .*line 3.: No such file"):
        source[1]


def test_columns_of_a_table_without_a_header_have_numbers():
    frame = pd.DataFrame([["good", "a"], ["bad", "b"]])
    source = TextTable(frame, text="0", label="1")
    assert (source.classes, len(source.vocabulary)) == (["a", "b"], 4)


def test_nan_among_numbers_is_no_class(tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_text("review,stars\ngood,10\nbad,2\nso so,nan\n")
    source = TextTable(path, text="review", label="stars")
    assert source.classes == [2, 10]  # not "10", "2", "nan"
    assert source.problems == {2: f"{path}, line 4: there is no label"}
    named = TextTable({"t": ["a", "b"], "l": ["nan", "naan"]}, text="t", label="l")
    assert named.classes == ["naan", "nan"]


def test_a_text_that_is_too_long_for_a_csv_is_told_as_such(tmp_path: Path):
    path = tmp_path / "books.csv"
    path.write_text("text,label\na,b\n" + "word " * 30_000 + ",c\n")
    with pytest.raises(PackError, match=r"line 3 has more than 131,072 .*pandas\.read_csv"):
        TextTable(path, text="text", label="label")


def test_missing_targets_are_counted_by_column(tmp_path: Path, capsys):
    columns = {
        "text": list("abcdef"),
        "kind": ["x", None, "y", "x", "y", "x"],
        "age": [1, None, 3, None, "many", 6],
        "size": [1, 2, None, 4, 5, 6],
    }
    source = TextTable(columns, text="text", label="kind", target=["age", "size"])
    assert source.count_problems() == {"kind": 1, "age": 3, "size": 1}
    assert source.problems[1] == "row 1: there is no label; age: there is no number"
    counts = "Rows without a usable value, by column: 'kind' 1, 'age' 3, 'size' 1."
    with pytest.raises(PackError, match=rf"4 of 6 rows cannot be packed.*{counts} Correct"):
        pack(source, tmp_path / "out")
    pack(source, tmp_path / "out", on_error="skip")
    assert counts in capsys.readouterr().err


def test_numbers_are_read_as_they_are_written(tmp_path: Path, capsys):
    """Python reads `1_000` as 1000."""
    source = TextTable({"t": ["a", "b"], "n": ["1_000", "12"]}, text="t", target="n")
    assert source.problems == {0: "row 0: n: '1_000' is not a finite number"}
    source = TextTable({"t": ["a", "b"], "n": [2**24 + 1, 0.1]}, text="t", target="n")
    pack(source, tmp_path / "out")
    assert "n: 1 whole numbers, such as 16777217, are rounded to float32" in capsys.readouterr().err
