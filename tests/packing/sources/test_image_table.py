"""Tables of image files as users have them, read row by row."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from keras_bigdata import ImageTable, PackError, ShardWriter
from keras_bigdata.shards.fields.roles import Roles
from tests.helpers.image_files import write_image

SIZE = (4, 6)

ROWS = [
    ("p0.png", "dog", "A dog, running."),
    ("p1.png", "cat", "It's a cat"),
    ("p2.png", "dog", "THE DOG"),
    ("p3.png", "cat", ""),
]


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes rows to a CSV, next to ten images p0.png, p1.png, ..."""

    def make(
        rows: Sequence[Sequence[object]], header: Sequence[str] = ("file", "label", "caption")
    ) -> Path:
        for number in range(10):
            write_image(tmp_path / f"p{number}.png", number)
        path = tmp_path / "labels.csv"
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    return make


def open_table(path: object, **options: object) -> ImageTable:
    """Opens a table with all columns; an option that is None leaves out an argument."""
    arguments = {"image": "file", "label": "label", "text": "caption", "size": SIZE, **options}
    return ImageTable(path, **{k: value for k, value in arguments.items() if value is not None})


def test_a_table_gives_images_texts_and_labels(table):
    source = open_table(table(ROWS))
    assert len(source) == 4
    sample = source[1]
    assert sample["images"].shape == (*SIZE, 3)
    assert (sample["images"] == 1).all()
    assert sample["labels"] == 0
    assert source.classes == ["cat", "dog"]
    assert [source.vocabulary[token] for token in sample["texts"]] == ["it's", "a", "cat"]
    assert source.roles == Roles(("images", "texts"), "labels")
    assert [int(source[row]["labels"]) for row in range(4)] == [1, 0, 1, 0]
    assert {str(value.dtype) for value in sample.values()} == {"uint8", "int32"}


def test_labels_and_texts_are_optional(table):
    source = open_table(table(ROWS), label=None, text=None, color="grayscale")
    assert source[0]["images"].shape == (*SIZE, 1)
    assert list(source[0]) == ["images"]
    assert source.roles == Roles("images")
    assert (source.classes, source.vocabulary, source.text_length) == (None, None, None)


def test_a_data_frame_and_a_dict_give_the_same(table, tmp_path: Path):
    from_csv = open_table(table(ROWS))
    frame = pd.read_csv(tmp_path / "labels.csv", keep_default_na=False)
    for other in (frame, frame.astype("category"), frame.to_dict("list")):
        source = open_table(other, root=tmp_path)
        assert source.classes == from_csv.classes
        for row in range(4):
            for name, value in from_csv[row].items():
                np.testing.assert_array_equal(source[row][name], value)


def test_file_names_start_at_the_csv_or_the_root(table, tmp_path: Path, monkeypatch):
    path = table(ROWS)
    assert open_table(path).file(0) == str(tmp_path / "p0.png")
    write_image(tmp_path / "sub" / "p0.png", 77)
    assert open_table(path, root=tmp_path / "sub")[0]["images"][0, 0, 0] == 77
    monkeypatch.chdir(tmp_path)
    assert open_table(pd.read_csv(path))[2]["images"][0, 0, 0] == 2
    absolute = pd.DataFrame({"file": [str(tmp_path / "p9.png")]})
    assert open_table(absolute, label=None, text=None, root="/nowhere")[0]["images"].max() == 9


def test_a_byte_order_mark_blank_lines_and_spaces_do_not_matter(table, tmp_path: Path):
    path = table(ROWS)
    text = "file ,label,caption\n\np0.png, dog ,x\n\np1.png,dog,y\n"
    path.write_text(text, encoding="utf-8-sig")
    source = open_table(path)
    assert (len(source), source.classes) == (2, ["dog"])


def test_another_delimiter(table):
    path = table(ROWS)
    path.write_text("file;label;caption\np0.png;1,5;a\n")
    assert open_table(path, delimiter=";").classes == ["1,5"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "labels.csv: the file is empty"),
        ("file,label,caption\n", "no rows below the header"),
        ("file,klass,caption\nx,y,z\n", r"no column 'label'.*columns are: file, klass, caption"),
        ("file,label,label,caption\nx,y,y,z\n", "more than one column 'label'"),
        ("file,label,caption\na,b,c\np0.png,A dog, running,dog\n", "line 3: 4 values for 3 col"),
        ("file,label,caption\np0.png\n", "line 2: 1 values for 3 columns"),
        ("file,label,caption\np0.png,0.5,x\n", r"label.*fractions, such as '0\.5'.*Arrays"),
    ],
)
def test_bad_tables_are_refused(table, text: str, message: str):
    path = table(ROWS)
    path.write_text(text)
    with pytest.raises(PackError, match=message):
        open_table(path)


def test_tables_that_cannot_be_read_are_refused(tmp_path: Path):
    with pytest.raises(PackError, match=r"none\.csv: the table cannot be read \(No such file"):
        open_table(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("file,label,caption\nü.png,a,b\n".encode("latin-1"))
    with pytest.raises(PackError, match=r"latin\.csv: the table is not UTF-8"):
        open_table(tmp_path / "latin.csv")
    with pytest.raises(TypeError, match="`table` must be"):
        open_table(3)


def test_a_data_frame_without_the_column_or_rows_is_refused():
    with pytest.raises(
        PackError, match=r"the DataFrame: there is no column 'caption'.*file, label"
    ):
        open_table(pd.DataFrame({"file": ["a"], "label": ["b"]}))
    with pytest.raises(PackError, match="the DataFrame has no rows"):
        open_table(pd.DataFrame({"file": [], "label": [], "caption": []}))
    with pytest.raises(PackError, match="differ in length"):
        open_table({"file": ["a"], "label": [], "caption": ["x"]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 128}, r"`size` must be \(height, width\).*size=128"),
        ({"size": (128,)}, "`size`"),
        ({"size": (128, -4, 64)}, "`size`"),
        ({"size": (0, 5)}, r"`size\[0\]` must be an integer of at least 1"),
        ({"color": "blue"}, "`color` must be 'rgb' or 'grayscale'"),
        ({"text_length": 0}, "`text_length` must be an integer of at least 1"),
        ({"max_tokens": 2}, "`max_tokens` must be an integer of at least 3"),
        ({"label": None, "classes": ["a"]}, "`classes` needs `label`"),
        ({"text": None, "vocabulary": ["a"]}, "`vocabulary` needs `text`"),
        ({"classes": "cat"}, "`classes` must be a list"),
        ({"classes": ["cat", "cat"]}, "different entries"),
        ({"vocabulary": ["cat", "dog"]}, "must begin with '' .*UNK"),
        ({"vocabulary": ["", "[UNK]", "dog"]}, "`text_length` must be passed"),
    ],
)
def test_bad_arguments_are_refused(table, options: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        open_table(table(ROWS), **options)


def test_rows_without_label_or_file_are_told_with_their_line(table):
    rows = [("p0.png", "dog", "x"), ("p1.png", " ", "x"), ("", "cat", "x")]
    source = open_table(table(rows))
    assert source.problems.keys() == {1, 2}
    with pytest.raises(PackError, match=r"p1\.png \(.*labels\.csv, line 3\): there is no label"):
        source[1]
    with pytest.raises(PackError, match=r"line 4.*no file name"):
        source[2]
    assert (source[0]["images"] == 0).all()


def test_missing_values_of_a_data_frame_are_missing(table, tmp_path: Path):
    table(ROWS)
    frame = pd.DataFrame(
        {"file": ["p0.png"] * 4, "label": [1, None, 3, 2], "caption": ["a", None, pd.NA, "b"]}
    )
    source = open_table(frame, root=tmp_path)
    assert source.classes == [1, 2, 3]  # pandas made floats of them
    assert list(source.problems) == [1]
    assert source[2]["texts"].tolist() == [0]
    strings = open_table(frame.assign(label=["x", None, pd.NA, "y"]), root=tmp_path)
    assert list(strings.problems) == [1, 2]


def test_an_image_that_cannot_be_read_is_named_with_its_line(table, tmp_path: Path):
    source = open_table(table([*ROWS, ("gone.png", "cat", "")]))
    with pytest.raises(PackError, match=r"gone\.png \(.*labels\.csv, line 6\): No such file"):
        source[4]


def test_validation_data_take_classes_and_vocabulary_from_the_training_data(table, tmp_path: Path):
    train = open_table(table(ROWS))
    with ShardWriter(
        tmp_path / "set", classes=train.classes, vocabulary=train.vocabulary
    ) as writer:
        writer.write({"texts": np.zeros((2, train.text_length), np.int32)})
    path = table(
        [("p5.png", "dog", "a dog and a zebra and more and more words"), ("p6.png", "cow", "")]
    )
    for origin in (train, writer.index):
        source = open_table(path, classes=origin, vocabulary=origin)
        assert source[0]["labels"] == 1
        assert source[0]["texts"].shape == (train.text_length,)
        assert [train.vocabulary[token] for token in source[0]["texts"]] == ["a", "dog", "[UNK]"]
        with pytest.raises(
            PackError, match=r"label 'cow' is not among the classes \('cat', 'dog'\)"
        ):
            source[1]
    listed = open_table(path, classes=["cow", "dog"], vocabulary=train.vocabulary, text_length=2)
    assert (listed[1]["labels"], listed.text_length) == (0, 2)


def test_a_split_table_keeps_classes_vocabulary_and_lines(table):
    rows = [(f"p{n}.png", "ab"[n % 2], f"word{n}") for n in range(9)] + [("p9.png", "", "x")]
    source = open_table(table(rows))
    rest, part = source.split(0.3, seed=5)
    assert (len(rest), len(part)) == (7, 3)
    assert type(part) is ImageTable
    for one in (rest, part):
        assert one.classes == source.classes
        assert one.vocabulary == source.vocabulary
        assert one.text_length == source.text_length
    files = [one.file(row) for one in (rest, part) for row in range(len(one))]
    assert sorted(files) == [source.file(row) for row in range(10)]
    with_problem = rest if rest.problems else part
    (row,) = with_problem.problems
    assert with_problem.file(row).endswith("p9.png")
    with pytest.raises(PackError, match=r"line 11\): there is no label"):
        with_problem[row]
    assert source.split(0.3, seed=6)[1].fingerprint() != part.fingerprint()
    assert source.split(0.3, seed=5)[1].fingerprint() == part.fingerprint()


def test_rows_with_the_same_image_go_to_the_same_side(table, tmp_path):
    folders = ["", "./", f"{tmp_path}/", "x/../"]
    rows = [(f"{folders[n // 5]}p{n % 5}.png", n % 2, f"t{n}") for n in range(20)]
    source = open_table(table(rows), root=tmp_path)
    assert len(source) == 20
    sides = [{Path(one.file(row)).name for row in range(len(one))} for one in source.split(0.4)]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 5


def test_a_quote_that_is_never_closed_swallows_nothing(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text('file,text\na.png,fine\nb.png,"not closed\nc.png,x\n')
    with pytest.raises(PackError, match=r"row that begins in line 3 cannot be read .*double quote"):
        ImageTable(path, image="file", text="text", size=(8, 8))
    path.write_text('file,text\na.png,"two\nlines and ""quotes"""\n\n,\nb.png,x\n')
    assert len(ImageTable(path, image="file", text="text", size=(8, 8))) == 2


@pytest.mark.parametrize("columns", [{"image": None}, {"image": "f", "label": np.zeros(2)}])
def test_a_column_is_named_by_a_string(columns):
    with pytest.raises(TypeError, match=r"must be the name of a column.*df\.assign"):
        ImageTable({"f": ["a", "b"]}, size=(8, 8), **columns)


@pytest.mark.parametrize("numbers", [["7", "70000"], [7, 70000], pd.Series([7, 70000]), [7.0, 7e4]])
@pytest.mark.parametrize("layout", ["05", "05d"])
def test_zeros_are_added_in_front_of_a_number(tmp_path, numbers, layout):
    """`format("7", "05")` is 70000."""
    source = ImageTable({"id": numbers}, image=f"{{id:{layout}}}.png", root="x", size=(4, 4))
    assert [source.file(row) for row in (0, 1)] == ["x/00007.png", "x/70000.png"]
    (tmp_path / "t.csv").write_text("id\n7\n70000\n")
    source = ImageTable(tmp_path / "t.csv", image=f"{{id:{layout}}}.png", root="x", size=(4, 4))
    assert [source.file(row) for row in (0, 1)] == ["x/00007.png", "x/70000.png"]


def test_zeros_are_not_added_to_other_texts():
    source = ImageTable({"id": ["a7", "7"]}, image="{id:05}.png", size=(4, 4))
    assert "'a7' in column 'id' does not fit the pattern '{id:05}.png'" in source.problems[0]
    source = ImageTable({"id": ["a7"]}, image="{id:>5}.png", root="x", size=(4, 4))
    assert source.file(0) == "x/   a7.png"


def test_the_delimiter_of_a_table_is_named(tmp_path):
    for delimiter in (";", "\t", "|"):
        for header in (f'"file"{delimiter}"label"', f"file{delimiter}label"):
            (tmp_path / "t.csv").write_text(f"{header}\na.png{delimiter}x\n")
            with pytest.raises(PackError) as raised:
                ImageTable(tmp_path / "t.csv", image="file", label="label", size=(4, 4))
            expected = f". With delimiter={delimiter!r} there are the columns: file, label"
            assert expected in str(raised.value)
    with pytest.raises(PackError, match=r"The columns are: file.label$"):
        ImageTable(tmp_path / "t.csv", image="other", size=(4, 4))
    with pytest.raises(ValueError, match="`delimiter` is for a CSV file, and `table` is not a pat"):
        ImageTable({"file": ["a"]}, image="file", size=(4, 4), delimiter=";")
