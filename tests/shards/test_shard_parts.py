"""`Shards.split`, `folds` and `take`: every row once, classes in proportion, groups together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata import Arrays, ShardError, Shards, pack
from keras_bigdata.shards.selecting.selection import Selection

ROWS = 120
RNG = np.random.default_rng(0)
LABELS = RNG.choice(3, ROWS, p=[0.6, 0.3, 0.1])
PATIENTS = RNG.integers(0, 25, ROWS)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    source = Arrays(
        x=np.arange(ROWS)[:, None],
        labels=LABELS,
        patient=PATIENTS,
        score=RNG.random(ROWS),
        inputs=("x", "patient", "score"),
    )
    path = tmp_path_factory.mktemp("parts") / "packed"
    pack(source, path, shard_samples=17, shuffle=False, verbose=0)
    return path


def rows_of(shards):
    return shards.columns("x")["x"][:, 0].tolist()


def patients_of(shards):
    return set(shards.columns("patient")["patient"].tolist())


@settings(deadline=None, max_examples=10)
@given(st.floats(0.05, 0.95), st.integers(0, 2**40))
def test_a_split_is_stratified_by_the_classes_of_the_index(directory, fraction, seed):
    rest, part = Shards(directory).split(fraction, seed=seed)
    assert sorted(rows_of(rest) + rows_of(part)) == list(range(ROWS))
    assert part.num_samples == round(fraction * ROWS)
    for label in range(3):
        taken = np.count_nonzero(part.columns("labels")["labels"] == label)
        assert abs(taken - np.sum(label == LABELS) * part.num_samples / ROWS) < 1 + 1e-6
    assert Shards(directory).split(fraction, seed=seed)[1].selection == part.selection


@settings(deadline=None, max_examples=10)
@given(st.integers(2, 6), st.integers(0, 2**40), st.booleans())
def test_each_row_is_validated_once_and_no_patient_is_on_both_sides(directory, k, seed, chosen):
    shards = Shards(directory)
    if chosen:
        shards = shards.where(lambda columns: columns["labels"] < 2)
    validated = []
    for train, validation in shards.folds(k, groups="patient", seed=seed):
        assert not patients_of(train) & patients_of(validation)
        assert sorted(rows_of(train) + rows_of(validation)) == rows_of(shards)
        validated += rows_of(validation)
    assert sorted(validated) == rows_of(shards)


def test_folds_by_patient_are_stratified_too(directory):
    for _, validation in Shards(directory).folds(4, groups="patient"):
        counts = np.bincount(validation.columns("labels")["labels"], minlength=3)
        assert (abs(counts - np.bincount(LABELS) / 4) <= [3, 3, 2]).all(), counts


def test_groups_may_be_an_array_of_the_selected_rows(directory):
    shards = Shards(directory).where(lambda columns: columns["labels"] != 1)
    array = shards.columns("patient")["patient"]
    texts = [f"patient {number}" for number in array]
    one, other = shards.split(0.3, groups="patient"), shards.split(0.3, groups=texts)
    assert one[1].selection == other[1].selection
    with pytest.raises(ValueError, match=f"one value per row, {shards.num_samples}"):
        shards.split(0.3, groups=PATIENTS)


def test_stratify_by_other_columns_or_none(directory):
    shards = Shards(directory)
    _, part = shards.split(0.25, stratify=("labels", "patient"))
    combined = LABELS * 100 + PATIENTS
    taken = np.bincount(combined[rows_of(part)], minlength=300)
    assert (abs(taken - np.bincount(combined, minlength=300) / 4) < 1).all()
    assert shards.split(0.25, stratify=None)[1].selection != shards.split(0.25)[1].selection
    assert shards.split(0.25, stratify="labels")[1].selection == shards.split(0.25)[1].selection


def test_a_fraction_is_taken(directory):
    some = Shards(directory).take(0.1)
    assert some.num_samples == 12
    assert some.selection.description == "take(0.1, seed=0)[1]"
    assert np.bincount(some.columns("labels")["labels"], minlength=3).max() <= 8
    assert some.selection == Shards(directory).split(0.1)[1].selection
    assert Shards(directory).take(0.1, seed=1).selection != some.selection


def test_the_parts_tell_how_they_were_made(directory):
    rest, part = Shards(directory).where(lambda columns: columns["labels"] == 0).split(0.5, seed=3)
    assert part.selection.description.endswith("), split(0.5, seed=3)[1]")
    assert rest.selection.description.endswith("), split(0.5, seed=3)[0]")
    (_, validation), _ = Shards(directory).folds(2)
    assert validation.selection.description == "folds(2, seed=0)[0][1]"
    assert isinstance(part.selection, Selection)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.split(1), ValueError, "`fraction` must be a number between 0 and 1"),
        (lambda s: s.take(0), ValueError, "`fraction` must be a number between 0 and 1"),
        (lambda s: s.split(0.5, seed=-1), ValueError, "`seed` must be"),
        (lambda s: s.folds(1), ValueError, "`k` must be an integer of at least 2"),
        (lambda s: s.folds(200), ValueError, "200 parts need at least 200 rows. Received: 120"),
        (lambda s: s.folds(30, groups="patient"), ValueError, "at least 30 different groups"),
        (lambda s: s.split(0.5, groups="file"), ShardError, "no column 'file' "),
        (lambda s: s.split(0.5, groups=3), TypeError, "`groups` must be the name of a column"),
        (lambda s: s.split(0.5, stratify="score"), ValueError, "'score' .* not hold labels"),
        (lambda s: s.split(0.5, stratify=3), TypeError, "`stratify` must be a name"),
        (lambda s: s.rows([3]).split(0.5), ValueError, "at least two rows. Received: 1"),
    ],
)
def test_wrong_arguments_are_named(directory, call, error, message):
    with pytest.raises(error, match=message):
        call(Shards(directory))
