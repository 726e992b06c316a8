"""The fields that a sequence uses: they exist, and hold what Keras takes."""

from __future__ import annotations

import pickle

import ml_dtypes
import numpy as np
import pytest

from keras_bigdata import ShardSequence

X = np.arange(24, dtype=np.float32).reshape(12, 2)

REFUSED = {
    "<U1": "text",
    "S1": "byte strings",
    "M8[D]": "dates",
    "m8[s]": "durations",
    "V5": "structures",
    "U0": "text",
    "g": "numbers of another size",
}


@pytest.fixture
def write(tmp_path):
    def write(**arrays):
        path = tmp_path / "a.pkl"
        path.write_bytes(pickle.dumps({"x": X, **arrays}))
        return path

    return write


@pytest.mark.parametrize("kind", REFUSED)
def test_fields_that_no_model_takes_are_refused_before_training(write, kind):
    dtype = np.dtype(kind)
    if kind == "g" and dtype.itemsize == 8:
        pytest.skip("numbers of 80 bits are numbers of 64 bits on this machine")
    path = write(y=np.zeros(12, dtype))
    for roles in ({"inputs": "x", "targets": "y"}, {"inputs": ("x", "y")}):
        with pytest.raises(ValueError, match=f"the field 'y' holds {REFUSED[kind]} ") as caught:
            ShardSequence(path, 4, **roles)
        assert "convert it in a `transform`" in str(caught.value)
    assert ShardSequence(path, 4, inputs="x").num_samples == 12


def test_structured_records_are_refused(write):
    path = write(y=np.zeros(12, [("a", "i4"), ("b", "f4")]))
    with pytest.raises(ValueError, match="Write each of their fields as an array of its own"):
        ShardSequence(path, 4, inputs="x", targets="y")


def test_a_transform_may_take_any_field(write):
    path = write(y=np.array(list("abc") * 4))

    def number(batch, rng):
        return {"x": batch["x"], "y": np.char.equal(batch["y"], "a").astype(np.int32)}

    sequence = ShardSequence(path, 12, inputs="x", targets="y", transform=number, shuffle=None)
    assert sequence[0][1].tolist() == [1, 0, 0] * 4


@pytest.mark.parametrize("kind", ["?", "u1", "i8", "u8", "f2", "f4", "f8", "F", "D", ">i4"])
def test_numbers_of_all_sizes_are_served(write, kind):
    path = write(y=np.ones(12, kind))
    (_, y), *_ = ShardSequence(path, 4, inputs="x", targets="y")
    assert y.tolist() == [1] * 4


def test_bfloat16_of_a_trusted_file_is_served(write):
    path = write(y=np.ones(12, ml_dtypes.bfloat16))
    (_, y), *_ = ShardSequence(path, 4, inputs="x", targets="y", trust=True)
    assert y.dtype == ml_dtypes.bfloat16
