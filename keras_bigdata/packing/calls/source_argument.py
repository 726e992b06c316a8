"""Accepts the argument `source` of `pack`, or names the class or function that accepts it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from keras_bigdata.packing.sources.dataset_rows import DatasetRows, is_dataset, text_columns
from keras_bigdata.packing.sources.sample_list import SampleList


def as_source(source: Any) -> Any:
    """Returns the source that `pack` reads: the object itself, or one of a list or dataset.

    Raises:
        TypeError: if it is something else; the message names the class or function for it.
    """
    if isinstance(source, list | tuple) and source and isinstance(source[0], Mapping):
        return SampleList(source)
    if is_dataset(source) and not text_columns(source):
        return DatasetRows(source)
    remedy = _find_remedy(source)
    if remedy:
        raise TypeError(
            f"`source` must be a source: {remedy}. "
            f"Received: {source!r:.200} of type {type(source).__name__}"
        )
    if not hasattr(source, "__len__") or not hasattr(source, "__getitem__"):
        raise TypeError(
            "`source` must have len() and [i] -> dict of arrays. "
            f"Received: {source!r:.200} of type {type(source).__name__}"
        )
    return source


def _find_remedy(source: Any) -> str:
    """Returns what accepts an object that is not a source; empty if the object may be one."""
    module = type(source).__module__.partition(".")[0]
    has_rows = hasattr(source, "__len__") and hasattr(source, "__getitem__")
    is_plain_iterator = not has_rows and any(
        hasattr(source, name) for name in ("__next__", "__iter__", "as_numpy_iterator")
    )
    remedies = (
        (
            isinstance(source, str | os.PathLike),
            "ImageTable(csv, ...), ImageFolder(directory, ...), TextTable(csv, ...) or "
            "HDF5Table(file, ...), not a path",
        ),
        (isinstance(source, type), f"an object, as {getattr(source, '__name__', '')}(...) returns"),
        (module == "h5py", "HDF5Table(path, image=..., label=...)"),
        (
            hasattr(source, "columns") and hasattr(source, "__array__"),
            "for a DataFrame ImageTable(frame, image=..., size=...), TextTable(frame, text=...), "
            "or Arrays(x=frame[columns].to_numpy(), labels=frame['label'])",
        ),
        (
            module == "datasets" and isinstance(source, Mapping),
            f"one dataset of it, such as source[{next(iter(source), None)!r}]"
            if isinstance(source, Mapping)
            else "",
        ),
        (
            is_dataset(source),
            "TextTable(dataset, text=..., label=...) for a dataset with texts, or "
            f"dataset.remove_columns({text_columns(source)}) without them"
            if is_dataset(source)
            else "",
        ),
        (isinstance(source, Mapping), "Arrays(**fields)"),
        (
            isinstance(source, list | tuple),
            "Arrays(x=x, labels=y) for arrays, or a list of dicts, one for each row, such as "
            "[{'x': ..., 'labels': ...}]",
        ),
        (hasattr(source, "__array__"), "Arrays(x=x, labels=y)"),
        (
            is_plain_iterator,
            "an object with len() and [i]. A generator, an iterator, a tf.data.Dataset or a "
            "DataLoader of batches is stored by keras_bigdata.capture(batches, directory)",
        ),
    )
    return next((remedy for applies, remedy in remedies if applies), "")
