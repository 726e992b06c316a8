"""`storage_options` and `cache` without a URL: one message, wherever they are passed."""

from __future__ import annotations

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata.storage.paths.place import check_options_used
from keras_bigdata.storage.writing.writable import output_place, writable_place

OPTIONS = {"key": "x"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    kb.pack(kb.Arrays(x=np.zeros((4, 2), np.float32), inputs="x"), folder)
    return folder


CALLS = {
    "open": lambda folder: kb.Shards(folder, storage_options=OPTIONS),
    "write a set": lambda folder: writable_place(folder, "directory", OPTIONS),
    "write a file": lambda folder: output_place(folder, "filepath", OPTIONS),
    "repair": lambda folder: check_options_used(OPTIONS, folder, None),
}


@pytest.mark.parametrize("call", CALLS)
def test_options_without_a_url_have_one_message(folder, call):
    with pytest.raises(ValueError, match="storage_options") as caught:
        CALLS[call](folder)
    assert str(caught.value) == (
        f"{folder}: `storage_options` is for URLs, and this is a path on this machine. Leave it "
        "out, or pass a URL."
    )


def test_a_cache_without_a_url_has_the_same_message(folder):
    with pytest.raises(ValueError, match="`cache` is for URLs, and this is a path on this machine"):
        kb.Shards(folder, cache=folder / "cache")


def test_two_directories_without_a_url_are_named(folder):
    with pytest.raises(ValueError, match=f"{folder}, {folder}: .* and these are paths on this"):
        check_options_used(OPTIONS, folder, folder)
