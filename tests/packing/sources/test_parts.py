"""Groups, strata, folds and random parts of sources."""

from __future__ import annotations

import csv

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata import Arrays, HDF5Table, ImageTable, TextTable
from tests.helpers.image_files import write_image

ROWS = 60
RNG = np.random.default_rng(0)
LABELS = RNG.choice(3, ROWS, p=[0.6, 0.3, 0.1])
PATIENTS = RNG.integers(0, 15, ROWS)


def arrays():
    return Arrays(x=np.arange(ROWS)[:, None], labels=LABELS, patient=PATIENTS, inputs="x")


def rows_of(source):
    return [int(source[row]["x"][0]) for row in range(len(source))]


def patients_of(source):
    return {int(source[row]["patient"]) for row in range(len(source))}


def test_the_default_split_is_the_one_of_the_first_release():
    source = Arrays(x=np.arange(12)[:, None], labels=np.arange(12) % 3)
    _, part = source.split(0.3, seed=5)
    assert rows_of(part) == [3, 4, 7, 8]


@settings(deadline=None, max_examples=30)
@given(st.floats(0.1, 0.9), st.integers(0, 2**40), st.booleans())
def test_a_patient_is_on_one_side(fraction, seed, by_name):
    groups = "patient" if by_name else [f"p{number}" for number in PATIENTS]
    rest, part = arrays().split(fraction, seed, groups=groups)
    assert sorted(rows_of(rest) + rows_of(part)) == list(range(ROWS))
    assert not patients_of(rest) & patients_of(part)
    assert abs(len(part) - fraction * ROWS) <= 5


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 5), st.integers(0, 2**40), st.sampled_from([None, "patient"]))
def test_each_row_is_in_one_validation_part(k, seed, groups):
    validated = []
    for train, validation in arrays().folds(k, seed, groups=groups):
        assert sorted(rows_of(train) + rows_of(validation)) == list(range(ROWS))
        assert groups is None or not patients_of(train) & patients_of(validation)
        validated += rows_of(validation)
        if groups is None:
            counts = np.bincount([validation[row]["labels"] for row in range(len(validation))])
            shares = np.bincount(LABELS)[: len(counts)] / k
            assert (abs(counts - shares) < 1 + 1e-6).all()
    assert sorted(validated) == list(range(ROWS))


def test_a_part_is_taken_in_the_proportion_of_the_classes():
    some = arrays().take(0.2, seed=3)
    assert len(some) == 12
    counts = np.bincount([some[row]["labels"] for row in range(12)], minlength=3)
    assert (abs(counts - np.bincount(LABELS) / 5) < 1 + 1e-6).all()
    assert rows_of(some) == sorted(rows_of(some))


def test_rows_selected_twice_and_groups_stay_together():
    source = arrays().select([0, 1, 2, 3, 4, 5, 6, 7, 0, 1])
    groups = [0, 1, 2, 3, 4, 5, 6, 7, 2, 1]  # connects rows 0 and 2 of the arrays
    for train, validation in source.folds(3, groups=groups):
        sides = [set(rows_of(part)) for part in (train, validation)]
        assert not sides[0] & sides[1]
        assert len({0, 2} & sides[0]) != 1
    for train, validation in source.folds(4):
        assert not set(rows_of(train)) & set(rows_of(validation))


def test_strata_of_other_fields():
    _, part = arrays().split(0.5, stratify="patient")
    taken = np.bincount([part[row]["patient"] for row in range(len(part))], minlength=15)
    assert (abs(taken - np.bincount(PATIENTS, minlength=15) / 2) < 1).all()
    _, part = arrays().split(0.5, stratify=None)
    assert len(part) == 30


def test_a_table_is_grouped_by_an_array_or_a_field(tmp_path):
    for number in range(8):
        write_image(tmp_path / f"{number // 2}.png", number)
    with open(tmp_path / "labels.csv", "w", newline="") as file:
        rows = [(f"{number // 2}.png", "ab"[number % 2], "no text") for number in range(8)]
        csv.writer(file).writerows([("file", "label", "text"), *rows])
    images = ImageTable(tmp_path / "labels.csv", image="file", label="label", size=(8, 8))
    # Rows of one file, and rows of one patient: 0 to 3, and 4 to 7.
    rest, part = images.split(0.5, groups=[0, 1, 1, 2, 3, 4, 4, 5])
    assert {len(rest), len(part)} == {4}
    with pytest.raises(ValueError, match=r"ImageTable: there is no column 'patient'.*labels"):
        images.split(0.5, groups="patient")
    texts = TextTable(tmp_path / "labels.csv", text="text", label="label")
    rest, part = texts.split(0.5, groups="labels")
    assert {int(rest[row]["labels"]) for row in range(4)} != {int(part[0]["labels"])}


def test_an_hdf5_file_is_grouped_by_a_dataset(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["images"] = np.zeros((ROWS, 2, 2, 1), np.uint8)
        file["label"] = LABELS
        file["patient"] = PATIENTS
    source = HDF5Table(tmp_path / "data.h5", image="images", label="label", columns=("patient",))
    for train, validation in source.folds(3, groups="patient"):
        assert not patients_of(train) & patients_of(validation)
    with pytest.raises(ValueError, match="there is no column 'site'"):
        source.folds(3, groups="site")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.folds(1), ValueError, "`k` must be an integer of at least 2"),
        (lambda s: s.folds(61), ValueError, "61 parts need at least 61 rows"),
        (lambda s: s.split(0.5, groups=np.ones(ROWS)), ValueError, "2 different groups"),
        (lambda s: s.split(0.5, groups=[1, 2]), ValueError, "one value per row, 60"),
        (lambda s: s.split(0.5, groups=[float("nan")] * ROWS), ValueError, "missing values"),
        (lambda s: s.split(0.5, stratify="x2"), ValueError, "no column 'x2'.*x, labels, patient"),
        (lambda s: s.take(1.5), ValueError, "`fraction` must be a number between 0 and 1"),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(arrays())
