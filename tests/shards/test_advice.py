"""Pickles of other objects than arrays: the message names the call that makes an array of them."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from joblib.numpy_pickle_compat import NDArrayWrapper
from PIL import Image

from keras_bigdata import ShardError, ShardSequence, UnsafePickleError
from keras_bigdata.shards.pickles import find_arrays
from tests.helpers.pickle_bytes import call, dic, dump, name, nothing_runs, num, write

FRAME = pd.DataFrame({"a": [1.5, 2.5], "b": [3, 4]})
SPARSE = scipy.sparse.csr_matrix(np.eye(3))

# Object, the call that the message names, and what the call returns.
ADVICE = {
    "a DataFrame": (
        FRAME,
        "{name: df[name].to_numpy() for name in df}",
        {name: FRAME[name].to_numpy() for name in FRAME},
    ),
    "a Series": (FRAME["a"], "df.to_numpy()", FRAME["a"].to_numpy()),
    "a sparse matrix": (SPARSE, "matrix.toarray()", SPARSE.toarray()),
    "dates": ([datetime.datetime(2024, 1, 2)], "date.timestamp()", [1.0]),
    "decimals": ([decimal.Decimal("1.5")], "float(number)", [1.5]),
    "a range": (range(3), "np.arange(...)", np.arange(3)),
    "objects": (np.array([1, "a"], object), ".astype(str)", np.array([1, "a"], object).astype(str)),
    "masked": (np.ma.masked_equal([1, 2], 1), ".data and its .mask", np.array([1, 2])),
}


@pytest.mark.parametrize("kind", ADVICE)
@pytest.mark.parametrize("protocol", [2, 5])
def test_the_message_names_a_call_that_works_and_no_trust(tmp_path, kind, protocol):
    value, advice, result = ADVICE[kind]
    for each in (value, {"x": value}):
        path = dump(tmp_path / "a.pkl", each, protocol)
        with nothing_runs(path), pytest.raises(UnsafePickleError) as caught:
            find_arrays(path)
        assert advice in str(caught.value)
        assert "trust=True would not help" in str(caught.value)
    # Indeed: with `trust=True` the object is not a field.
    assert not find_arrays(dump(path, {"x": value}, protocol), trust=True).fields
    assert find_arrays(dump(path, result, protocol)).fields


@pytest.mark.parametrize(
    ("module", "attribute", "advice"),
    [
        ("torch._utils", "_rebuild_tensor_v2", "tensor.detach().cpu().numpy()"),
        ("tensorflow.python.framework.ops", "convert_to_tensor", "tensor.numpy()"),
        ("jax._src.array", "_reconstruct_array", "np.asarray(array)"),
        ("jaxlib.xla_extension", "ArrayImpl", "np.asarray(array)"),
        ("keras.src.backend", "Variable", "variable.numpy()"),
        ("array", "_array_reconstructor", "np.asarray(array)"),
        ("polars.dataframe.frame", "DataFrame", "df[name].to_numpy()"),
        ("PIL.Image", "Image", "np.asarray(image)"),
        ("pathlib", "PosixPath", "str(path)"),
    ],
)
def test_tensors_and_images_are_named_without_their_packages(tmp_path, module, attribute, advice):
    path = write(tmp_path / "a.pkl", dic(x=call(name(module, attribute), num(1))), b".")
    with nothing_runs(path), pytest.raises(UnsafePickleError) as caught:
        find_arrays(path)
    assert advice in str(caught.value)
    assert "trust=True would not help" in str(caught.value)


def test_a_trusted_tensor_is_named_with_a_call_that_works(tmp_path):
    """PyTorch is not imported: a parameter of it has these methods, and `numpy` alone fails."""
    path = dump(tmp_path / "a.pkl", {"x": Parameter(), "y": Image.new("L", (2, 2))}, 5)
    assert find_arrays(path, trust=True).skipped_fields == {
        "x": "a Parameter, not an array: save .detach().cpu().numpy() of it",
        "y": "an Image, not an array: save np.asarray(...) of it",
    }


class Parameter:
    """An object with methods of `torch.nn.Parameter`."""

    def detach(self):
        raise NotImplementedError

    numpy = __array__ = detach


def test_trust_is_not_recommended_for_files_of_old_joblib(tmp_path):
    wrapper = NDArrayWrapper("a.pkl_01.npy", np.ndarray)
    path = dump(tmp_path / "a.pkl", {"x": wrapper}, 2)
    with pytest.raises(UnsafePickleError, match=r"joblib before 0\.10 .*trust=True would not help"):
        find_arrays(path)
    assert not find_arrays(path, trust=True).fields


def test_trust_is_recommended_where_it_helps(tmp_path):
    for value in ({"x": np.arange(3), "odd": Odd()}, np.arange(3).view(np.recarray)):
        path = dump(tmp_path / "a.pkl", value, 5)
        with pytest.raises(UnsafePickleError, match="trust=True loads it all the same"):
            find_arrays(path)
        assert find_arrays(path, trust=True).fields


class Odd:
    """An object of a custom class."""


@pytest.mark.parametrize("code", [b"P1\n.", b"\x80\x06N.", b"\x97."])
def test_trust_is_not_recommended_where_pickle_fails_too(tmp_path, code):
    path = write(tmp_path / "a.pkl", code)
    with pytest.raises(UnsafePickleError, match="trust=True would not help"):
        find_arrays(path)
    with pytest.raises(ShardError, match=r"pickle\.load failed"):
        find_arrays(path, trust=True)


def test_a_trusted_frame_is_named_with_its_method(tmp_path):
    path = dump(tmp_path / "a.pkl", {"x": FRAME, "y": np.arange(2)}, 5)
    reason = find_arrays(path, trust=True).skipped_fields["x"]
    assert reason == "a DataFrame, not an array: save .to_numpy() of it"
    with pytest.raises(ShardError, match=r"there is no array 'x' \(a DataFrame, .*to_numpy"):
        ShardSequence(path, inputs="x", targets="y", trust=True)
    with pytest.raises(ShardError, match=r"the pickle holds a DataFrame \(save \.to_numpy"):
        find_arrays(dump(path, FRAME, 5), trust=True)
