"""Tables, folders and arrays as users have them, read row by row; nothing is packed here."""

from __future__ import annotations

import csv
import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keras_bigdata import Arrays, ImageFolder, ImageTable, PackError, ShardWriter
from keras_bigdata.packing.plan import cut_into_shards
from keras_bigdata.packing.sources.labels import clean_labels
from keras_bigdata.packing.sources.split import split_rows
from keras_bigdata.packing.sources.tokens import build_vocabulary, encode, words
from keras_bigdata.permutation import shuffled_rows
from keras_bigdata.shards.roles import Roles

SIZE = (4, 6)


def picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SIZE, 3), value, np.uint8)).save(path)


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """`table(rows, header)` writes a CSV and ten pictures p0.png, p1.png, ... beside it."""

    def make(
        rows: Sequence[Sequence[object]], header: Sequence[str] = ("file", "label", "caption")
    ) -> Path:
        for number in range(10):
            picture(tmp_path / f"p{number}.png", number)
        path = tmp_path / "labels.csv"
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    return make


ROWS = [
    ("p0.png", "dog", "A dog, running."),
    ("p1.png", "cat", "It's a cat"),
    ("p2.png", "dog", "THE DOG"),
    ("p3.png", "cat", ""),
]


def open_table(path: object, **options: object) -> ImageTable:
    given_ = {"image": "file", "label": "label", "text": "caption", "size": SIZE, **options}
    return ImageTable(path, **{name: value for name, value in given_.items() if value is not None})


# Tables


def test_a_table_gives_pictures_texts_and_labels(table):
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
    source = open_table(table(ROWS), label=None, text=None, color="grey")
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
    picture(tmp_path / "sub" / "p0.png", 77)
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
        ({"color": "blue"}, "`color` must be 'rgb' or 'grey'"),
        ({"text_length": 0}, "`text_length` must be an integer of at least 1"),
        ({"max_tokens": 2}, "`max_tokens` must be an integer of at least 3"),
        ({"label": None, "classes": ["a"]}, "`classes` needs `label`"),
        ({"text": None, "vocabulary": ["a"]}, "`vocabulary` needs `text`"),
        ({"classes": "cat"}, "`classes` must be a list"),
        ({"classes": ["cat", "cat"]}, "different entries"),
        ({"vocabulary": ["cat", "dog"]}, "must begin with '' .*UNK"),
        ({"vocabulary": ["", "[UNK]", "dog"]}, "`text_length` has to be given"),
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


def test_a_picture_that_cannot_be_read_is_named_with_its_line(table, tmp_path: Path):
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
    for known in (train, writer.index):
        source = open_table(path, classes=known, vocabulary=known)
        assert source[0]["labels"] == 1
        assert source[0]["texts"].shape == (train.text_length,)
        assert [train.vocabulary[token] for token in source[0]["texts"]] == ["a", "dog", "[UNK]"]
        with pytest.raises(
            PackError, match=r"label 'cow' is not among the classes \('cat', 'dog'\)"
        ):
            source[1]
    listed = open_table(path, classes=["cow", "dog"], vocabulary=train.vocabulary, text_length=2)
    assert (listed[1]["labels"], listed.text_length) == (0, 2)


# Labels and texts


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "10", "2", ""], [1, 10, 2, None]),
        (["1.0", "2"], [1, 2]),
        (["007", "7"], ["007", "7"]),
        (["1", "x"], ["1", "x"]),
        ([True, None, False], [True, None, False]),
        ([np.int64(3), np.float32(2), float("nan")], [3, 2, None]),
        (["nan", "inf"], ["nan", "inf"]),
        ([" dog", "dog "], ["dog", "dog"]),
        (["-1", "1"], [-1, 1]),
    ],
)
def test_labels_are_whole_numbers_or_strings(values, expected):
    cleaned = clean_labels(values, "test")
    assert cleaned == expected
    assert [type(label) for label in cleaned] == [type(label) for label in expected]


@pytest.mark.parametrize("values", [[0.5, 1.0], ["1.5", "2.5"], [[1, 2]], [b"x"]])
def test_other_labels_are_refused(values):
    with pytest.raises(PackError, match="test: "):
        clean_labels(values, "test")


def test_words():
    assert words("A Dog's life \u2014 it\u2019s *fine* (2 of 3), 'quoted'") == [
        *("a", "dog's", "life", "it's", "fine", "2", "of", "3", "quoted")
    ]
    assert words("Ein Bär läuft. 犬が走る") == ["ein", "bär", "läuft", "犬が走る"]
    assert words("  ") == []


def test_the_vocabulary_goes_by_frequency_then_alphabet():
    texts = [["b", "a"], ["c", "b"], ["c"]]
    assert build_vocabulary(texts, 100) == ["", "[UNK]", "b", "c", "a"]
    vocabulary = build_vocabulary(texts, 4)
    assert vocabulary == ["", "[UNK]", "b", "c"]
    assert encode(texts, vocabulary, 3).tolist() == [[2, 1, 0], [3, 2, 0], [3, 0, 0]]
    assert encode(texts, vocabulary, 1).tolist() == [[2], [3], [3]]


# Splitting


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=60),
    st.floats(0.01, 0.99),
    st.integers(0, 2**40),
)
def test_a_split_has_every_row_once_and_every_class_in_proportion(strata, fraction, seed):
    rows = len(strata)
    first, second = split_rows(strata, range(rows), fraction, seed)
    assert sorted([*first, *second]) == list(range(rows))
    assert len(second) == min(max(round(fraction * rows), 1), rows - 1)
    taken, whole = Counter(strata[row] for row in second), Counter(strata)
    for stratum, count in whole.items():
        assert abs(taken[stratum] - count * len(second) / rows) < 1 + 1e-6
    again = split_rows(strata, range(rows), fraction, seed)
    assert again[1].tolist() == second.tolist()


@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=60).filter(lambda all_: len(set(all_)) > 1),
    st.floats(0.01, 0.99),
    st.integers(0, 99),
)
def test_rows_of_one_group_stay_together(groups, fraction, seed):
    first, second = split_rows([0] * len(groups), groups, fraction, seed)
    assert len(first)
    assert len(second)
    assert not {groups[row] for row in first} & {groups[row] for row in second}
    assert len(first) + len(second) == len(groups)


@given(st.integers(0, 100), st.integers(1, 30), st.integers(0, 2**60))
def test_shuffling_and_cutting_keep_every_row_once(size, rows, seed):
    shards = cut_into_shards(shuffled_rows(size, seed), rows)
    assert sorted(row for shard in shards for row in shard) == list(range(size))
    assert all(len(shard) == rows for shard in shards[:-1])


def test_the_permutation_stays_the_same_over_releases():
    # Packs are continued by later releases too: this list must never change.
    assert shuffled_rows(10, 0).tolist() == [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]
    assert shuffled_rows(10, 1).tolist() == [9, 2, 4, 7, 5, 0, 8, 6, 3, 1]


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
    holder = rest if rest.problems else part
    (row,) = holder.problems
    assert holder.file(row).endswith("p9.png")
    with pytest.raises(PackError, match=r"line 11\): there is no label"):
        holder[row]
    assert source.split(0.3, seed=6)[1].fingerprint() != part.fingerprint()
    assert source.split(0.3, seed=5)[1].fingerprint() == part.fingerprint()


def test_rows_with_the_same_picture_go_to_the_same_side(table):
    rows = [(f"./p{n % 5}.png" if n > 4 else f"p{n}.png", n % 2, f"t{n}") for n in range(10)]
    source = open_table(table(rows))
    assert len(source) == 10
    sides = [{Path(one.file(row)).name for row in range(len(one))} for one in source.split(0.4)]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 5


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2, "a", True])
def test_a_split_needs_a_fraction(fraction):
    error = TypeError if isinstance(fraction, (str, bool)) else ValueError
    with pytest.raises(error, match="`fraction` must be a number between 0 and 1"):
        Arrays(x=np.zeros(4)).split(fraction)


def test_one_row_cannot_be_split():
    with pytest.raises(ValueError, match="less than two"):
        Arrays(x=np.zeros(1)).split(0.5)


# Folders


def test_class_folders(tmp_path: Path):
    for number, name in enumerate(["b/2.PNG", "b/deep/1.png", "a/x.png", "b/10.png"]):
        picture(tmp_path / name, number)
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    (tmp_path / "a" / ".x.png.swp").write_text("hidden")
    picture(tmp_path / ".cache" / "c.png", 9)
    (tmp_path / "empty").mkdir()
    source = ImageFolder(tmp_path, size=SIZE)
    assert source.classes == ["a", "b", "empty"]
    files = [str(Path(source.file(row)).relative_to(tmp_path)) for row in range(len(source))]
    assert files == ["a/x.png", "b/10.png", "b/2.PNG", "b/deep/1.png"]
    assert [int(source[row]["labels"]) for row in range(4)] == [0, 1, 1, 1]
    assert [int(source[row]["images"].max()) for row in range(4)] == [2, 3, 0, 1]
    assert source.roles == Roles("images", "labels")


def test_folders_without_pictures_are_refused(tmp_path: Path):
    with pytest.raises(PackError, match=r"no pictures in class folders.*found folders: none"):
        ImageFolder(tmp_path, size=SIZE)
    picture(tmp_path / "1.png", 0)
    (tmp_path / "cat").mkdir()
    with pytest.raises(PackError, match="found folders: cat"):
        ImageFolder(tmp_path, size=SIZE)
    with pytest.raises(PackError, match="no such folder"):
        ImageFolder(tmp_path / "none", size=SIZE)


def test_folders_of_validation_data_take_the_classes_of_the_training_data(tmp_path: Path):
    for name in ("train/a/1.png", "train/b/1.png", "test/b/1.png", "test/zebra/1.png"):
        picture(tmp_path / name, 0)
    train = ImageFolder(tmp_path / "train", size=SIZE)
    test = ImageFolder(tmp_path / "test", size=SIZE, classes=train)
    assert test[0]["labels"] == 1
    with pytest.raises(PackError, match="'zebra' is not among the classes"):
        test[1]


# Arrays


def test_arrays_row_by_row(tmp_path: Path):
    images = np.arange(4 * 6, dtype=np.uint8).reshape(4, 2, 3)
    np.save(tmp_path / "x.npy", images)
    labels = [3, 1, 2, 0]
    source = Arrays(labels=labels, images=np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert len(source) == 4
    np.testing.assert_array_equal(source[2]["images"], images[2])
    assert source[2]["labels"] == 2
    assert source.roles == Roles("images", "labels")
    assert len(list(source)) == 4


def test_roles_of_arrays():
    x = np.zeros(3)
    assert Arrays(a=x, texts=x, images=x, labels=x).roles == Roles(
        ("images", "texts", "a"), "labels"
    )
    assert Arrays(x=x, age=x, targets="age").roles == Roles("x", "age")
    assert Arrays(x=x, labels=x, w=x, sample_weights="w").roles == Roles("x", "labels", "w")
    assert Arrays(x=x, labels=x, inputs={"image": "x"}).roles == Roles({"image": "x"}, "labels")
    assert Arrays(labels=x, inputs="labels").roles == Roles("labels")
    with pytest.raises(ValueError, match=r"the roles name \['y'\]|The roles name \['y'\]"):
        Arrays(x=x, targets="y")


def test_string_labels_of_arrays_become_classes():
    source = Arrays(x=np.zeros(3), labels=["dog", "cat", "dog"])
    assert source.classes == ["cat", "dog"]
    assert [int(sample["labels"]) for sample in source] == [1, 0, 1]
    other = Arrays(x=np.zeros(1), labels=["dog"], classes=source)
    assert other[0]["labels"] == 1
    with pytest.raises(ValueError, match="Received in row 0: 'cow'"):
        Arrays(x=np.zeros(1), labels=["cow"], classes=source)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"equally many rows. Received: \{'a': 2, 'b': 3\}"):
        Arrays(a=np.zeros(2), b=np.zeros(3))
    with pytest.raises(ValueError, match="equally many rows"):
        Arrays(a=np.zeros(0))
    with pytest.raises(ValueError, match="Received: none"):
        Arrays()
    with pytest.raises(TypeError, match="must be an array of numbers"):
        Arrays(a=np.array([{}, {}]))


def test_splits_of_arrays_are_stratified_views():
    labels = np.repeat([0, 1], [80, 20])
    rest, part = Arrays(x=np.arange(100), labels=labels).split(0.2, seed=3)
    assert [int(sample["labels"]) for sample in part].count(1) == 4
    assert sorted(int(sample["x"]) for one in (rest, part) for sample in one) == list(range(100))
    inner = rest.split(0.5)[1]
    assert {int(sample["x"]) for sample in inner} < {int(sample["x"]) for sample in rest}
    assert np.shares_memory(part._arrays["x"], rest._arrays["x"])


def test_a_pickled_part_of_arrays_takes_its_rows_only():
    part = Arrays(x=np.arange(100_000)).select([5, 7])
    content = pickle.dumps(part)
    assert len(content) < 2000
    assert [int(sample["x"]) for sample in pickle.loads(content)] == [5, 7]


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


def test_arrays_with_any_other_value_are_other_sources():
    labels = np.zeros(5000, np.int32)
    changed = labels.copy()
    changed[1234] = 1
    assert (
        Arrays(labels=labels).fingerprint()
        == Arrays(labels=labels.copy()).fingerprint()
        != Arrays(labels=changed).fingerprint()
    )


def test_a_missing_label_among_strings_is_no_class():
    with pytest.raises((PackError, ValueError), match="row 1"):
        Arrays(x=np.ones(3), labels=["a", float("nan"), "b"])


def test_text_is_no_array():
    with pytest.raises(TypeError, match="array of numbers"):
        Arrays(x=np.ones(2), words=["a", "b"])


def test_large_numbers_are_different_classes():
    big = 2**53
    assert len(Arrays(x=np.ones(2), labels=[str(big + 1), str(big)]).classes) == 2
    assert clean_labels([big + 1, big], "here") == [big + 1, big]
