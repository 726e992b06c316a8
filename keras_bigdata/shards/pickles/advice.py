"""Advice for values that are not arrays: the call that makes an array of each."""

from __future__ import annotations

_ARRAY_SUBCLASS = "an array subclass: save np.asarray(...) of it"
_OLD_PROTOCOL = "if the file was written by joblib.dump, leave out protocol=0 or 1"
_MASKED = "a masked array: save its .data and its .mask"
_TENSOR = "a tensor: save tensor.numpy()"
_SCALAR_TYPES = "a dtype that NumPy alone does not have: save array.astype('float32')"

# How the names begin, the advice, and whether `trust=True` makes an array of such a value.
_ADVICE = (
    (
        "joblib.",
        "joblib before 0.10 kept arrays in separate files next to this one: load it with "
        "joblib.load and write it again with joblib.dump or pickle.dump",
        False,
    ),
    ("copyreg.", _OLD_PROTOCOL, True),
    ("copy_reg.", _OLD_PROTOCOL, True),
    ("numpy.ma.", _MASKED, False),
    ("numpy.matrix", _ARRAY_SUBCLASS, True),
    ("numpy.rec", _ARRAY_SUBCLASS, True),
    ("numpy.memmap", _ARRAY_SUBCLASS, True),
    ("numpy.core.records", _ARRAY_SUBCLASS, True),
    ("numpy.core.memmap", _ARRAY_SUBCLASS, True),
    ("numpy.core.defchararray", _ARRAY_SUBCLASS, True),
    ("numpy.matrixlib", _ARRAY_SUBCLASS, True),
    ("numpy._core._internal._convert_to_stringdtype", "texts: save array.astype(str)", False),
    (
        "pandas.",
        "pandas data: save one array per column, {name: df[name].to_numpy() for name in df}, or "
        "df.to_numpy() if all columns are numbers",
        False,
    ),
    ("polars.", "polars data: save one array per column, df[name].to_numpy()", False),
    ("pyarrow.", "an Arrow table: save table[name].to_numpy() of each column", False),
    ("xarray.", "xarray data: save .to_numpy() of it", False),
    ("torch.", "a torch tensor: save tensor.detach().cpu().numpy()", False),
    ("tensorflow.", _TENSOR, False),
    ("jax.", "a JAX array: save np.asarray(array)", False),
    ("jaxlib.", "a JAX array: save np.asarray(array)", False),
    ("keras.", "a Keras object: save arrays, such as variable.numpy()", False),
    ("cupy.", "a CuPy array: save cupy.asnumpy(array)", False),
    ("scipy.sparse", "a sparse matrix: save matrix.toarray(), or its parts", False),
    ("ml_dtypes.", _SCALAR_TYPES, True),
    ("PIL.", "an image: save np.asarray(image)", False),
    ("datetime.", "dates: save numbers, such as date.timestamp()", False),
    ("decimal.", "decimal numbers: save float(number)", False),
    ("fractions.", "fractions: save float(number)", False),
    ("pathlib", "paths: save str(path)", False),
    ("builtins.range", "a range: save np.arange(...)", False),
    ("__builtin__.xrange", "a range: save np.arange(...)", False),
    ("array.", "an array of the module array: save np.asarray(array)", False),
    ("collections.", "save dict(...) or list(...) of it", True),
)

# An attribute of an object that `trust=True` has loaded, and the call that makes an array of it. A
# PyTorch parameter, which has `numpy` too, must be detached first.
_CALLS = (
    ("to_numpy", ".to_numpy()"),
    ("toarray", ".toarray()"),
    ("detach", ".detach().cpu().numpy()"),
    ("numpy", ".numpy()"),
    ("__array__", "np.asarray(...)"),
    ("__array_interface__", "np.asarray(...)"),
)


def advice_for(name: str) -> tuple[str | None, bool]:
    """Returns advice for an importable name, and whether `trust=True` makes an array of it."""
    for start, advice, trust_helps in _ADVICE:
        if name.startswith(start):
            return advice, trust_helps
    return None, True


def advice_for_object(value: object) -> str | None:
    """Returns how an object that was loaded becomes an array; `None` if that is unknown."""
    if type(value).__module__.startswith("keras_bigdata."):
        return None
    call = next((call for name, call in _CALLS if hasattr(type(value), name)), None)
    return None if call is None else f"save {call} of it"
