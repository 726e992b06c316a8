"""Labels of any kind become class numbers."""

from __future__ import annotations

import numpy as np
import pytest

from keras_bigdata import Arrays, PackError, TextTable
from keras_bigdata.packing.planning.renumbering import extend_classes
from keras_bigdata.packing.sources.tables.labels import clean_labels


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


def test_large_numbers_are_different_classes():
    big = 2**53
    assert len(Arrays(x=np.ones(2), labels=[str(big + 1), str(big)]).classes) == 2
    assert clean_labels([big + 1, big], "here") == [big + 1, big]


def test_labels_that_are_equal_as_numbers_keep_the_classes_of_another_table():
    """The labels of the second table were read as numbers: all rows had class 0."""
    train = TextTable({"t": list("abc"), "l": ["1", "1.0", "beta"]}, text="t", label="l")
    assert train.classes == ["1", "1.0", "beta"]
    test = TextTable(
        {"t": list("ab"), "l": ["1", "1.0"]},
        text="t",
        label="l",
        classes=train,
        vocabulary=train,
    )
    assert [int(test[row]["labels"]) for row in range(2)] == [0, 1]
    with pytest.raises(PackError, match=r"'1', '1\.0' of the directory. Pass `classes`"):
        extend_classes(train.classes, [1])


def test_a_label_in_scientific_notation_is_a_whole_number():
    assert clean_labels(["1e+16", "1", " 2"], "test") == [10**16, 1, 2]


@pytest.mark.parametrize("dtype", ["datetime64[ns]", "datetime64[D]", "timedelta64[ns]"])
def test_times_are_no_numbers(dtype):
    """Those of NumPy became numbers of nanoseconds."""
    times = np.array([1, 2], dtype)
    with pytest.raises(PackError, match="a label must be a string or a whole number"):
        clean_labels(times, "test")
    table = {"t": ["a", "b"], "l": times}
    assert "is not a finite number" in TextTable(table, text="t", target="l").problems[0]
    with pytest.raises(PackError, match="cannot be kept"):
        TextTable(table, text="t", keep="l")
