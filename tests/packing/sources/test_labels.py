"""Labels of any kind become class numbers."""

from __future__ import annotations

import numpy as np
import pytest

from keras_bigdata import Arrays, PackError
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
