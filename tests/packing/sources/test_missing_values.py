"""Missing values of any type are missing in labels, numbers, texts and kept columns."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.tables.kept_columns import read_kept
from keras_bigdata.packing.sources.tables.labels import clean_labels
from keras_bigdata.packing.sources.tables.missing_values import is_missing
from keras_bigdata.packing.sources.tables.numbers import Numbers
from keras_bigdata.packing.sources.tables.table import Columns
from keras_bigdata.packing.sources.texts.tokens import words_of_value


def _pandas(name):
    return getattr(pytest.importorskip("pandas"), name)


MISSING = {
    "None": lambda: None,
    "blank": lambda: " ",
    "NaN": lambda: float("nan"),
    "float32": lambda: np.float32("nan"),
    "float16": lambda: np.float16("nan"),
    "masked": lambda: np.ma.masked_equal([1, 2], 2)[1],
    "datetime64": lambda: np.datetime64("NaT", "s"),
    "timedelta64": lambda: np.timedelta64("NaT", "s"),
    "Decimal": lambda: Decimal("sNaN"),
    "pd.NA": lambda: _pandas("NA"),
    "pd.NaT": lambda: _pandas("NaT"),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_value_of_any_type_is_missing_everywhere(name):
    value = MISSING[name]()
    assert is_missing(value)
    assert clean_labels([1, value], "t") == [1, None]
    kept = read_kept(Columns("t", Path(), {"n": [1.5, value], "s": ["a", value]}, None), "ns")
    np.testing.assert_array_equal(kept["n"], [1.5, np.nan])
    assert kept["s"].tolist() == ["a", ""]
    numbers = Numbers()
    numbers.add([1.5, value], "n", allow_missing=True)
    assert (numbers.present[0].tolist(), numbers.problems) == ([True, False], {})
    assert words_of_value(value) == []


@pytest.mark.parametrize("value", ["nan", 0, False, np.float32(0), b"", [], np.zeros(2), {}])
def test_other_values_are_not_missing(value):
    assert not is_missing(value)


def test_a_kept_column_of_arrays_is_refused_by_name():
    columns = Columns("t", Path(), {"a": [np.zeros(2), np.zeros(2)]}, None)
    with pytest.raises(PackError, match="the column 'a' cannot be kept"):
        read_kept(columns, ["a"])


@pytest.mark.parametrize(
    ("texts", "dtype"),
    [
        (["1234567890123456701", "1234567890123456702"], "int64"),  # 19 digits
        (["12345678901234567890", "12345678901234567891"], "U"),
        (["12345678901234567", "0.5"], "U"),
        (["1.1", "1.10"], "U"),
        (["1e5", "100000"], "U"),
        (["1e500", "1"], "U"),
        (["1", "1.0", "-0.0", "0.0", "2.5"], "float64"),
        (["1.50", "0.25", "100000.0", "1e-05"], "float64"),
    ],
)
def test_values_of_a_csv_file_that_differ_are_kept_apart(texts, dtype):
    """Ids of 19 digits became one float."""
    kept = read_kept(Columns("t", Path(), {"n": texts}, np.arange(len(texts))), ["n"])["n"]
    if dtype == "U":
        assert kept.tolist() == texts
    else:
        read = int if dtype == "int64" else float
        assert (kept.dtype, kept.tolist()) == (dtype, [read(text) for text in texts])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([2**64], "int64 cannot hold 18446744073709551616 exactly"),
        ([np.uint64(2**63), 1], "int64 cannot hold 9223372036854775808 exactly"),
        ([2**60 + 1, 0.5], "float64 cannot hold 1152921504606846977 exactly"),
        ([2**60 + 1, None], "float64 cannot hold 1152921504606846977 exactly"),
    ],
)
def test_integers_that_a_kept_column_would_round_are_refused(values, message):
    with pytest.raises(PackError, match=message):
        read_kept(Columns("t", Path(), {"n": values}, None), ["n"])
