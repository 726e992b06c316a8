"""Runs the examples of the docstrings of `plots`, and of what they draw."""

from __future__ import annotations

import re
import textwrap

import keras
import numpy as np
import pytest

import keras_bigdata
from keras_bigdata import ImageFolder, Shards, ShardSequence, pack, plots
from keras_bigdata.bench.shuffle_quality import order_quality, shuffle_quality
from tests.helpers.image_files import write_image

DOCUMENTED = [*(getattr(plots, name) for name in plots.__all__), order_quality, shuffle_quality]
EXAMPLES = [
    pytest.param(textwrap.dedent(code), member, id=member.__name__)
    for member in DOCUMENTED
    for code in re.findall(r"```python\n(.*?)```", member.__doc__ or "", re.DOTALL)
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A directory with sets of images, and the variables that the examples use."""
    folder = tmp_path_factory.mktemp("files")
    for number in range(12):
        kind = folder / "photos" / ("cat" if number < 7 else "dog")
        kind.mkdir(parents=True, exist_ok=True)
        write_image(kind / f"{number}.png", 20 * number, (8, 8))
    for name in ("train", "val"):
        pack(ImageFolder(folder / "photos", size=(8, 8)), folder / "shards" / name, verbose=0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    model = keras.Sequential([keras.Input((8, 8, 3), dtype="uint8"), *layers])
    loss = "sparse_categorical_crossentropy"
    # It says "dog" for every image and does not learn, so that there are mistakes.
    optimizer = keras.optimizers.SGD(0.0)
    model.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=True)
    model.layers[-1].set_weights([np.zeros((192, 2)), np.array([0.0, 1.0])])
    return {
        "__name__": "example",
        "folder": folder,
        "model": model,
        "train": ShardSequence(folder / "shards/train", 4, seed=0),
        "val": Shards(folder / "shards/val"),
        "plots": plots,
        "order_quality": order_quality,
        "shuffle_quality": shuffle_quality,
        **{name: getattr(keras_bigdata, name) for name in keras_bigdata.__all__},
    }


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(("code", "member"), EXAMPLES)
def test_example_draws(code, member, workspace, render, monkeypatch):
    monkeypatch.chdir(workspace["folder"])
    # The value of the last line is what the example shows.
    *before, last = re.sub(r"\bepochs=\d+", "epochs=2", code).strip().splitlines()
    exec(compile("\n".join(before), "docstring", "exec"), variables := dict(workspace))
    result = eval(compile(last, "docstring", "eval"), variables)
    if member.__name__ in plots.__all__:
        axes = render(result)
        assert axes.has_data() or axes.images


def test_every_plot_has_an_example():
    assert {member.__name__ for member in DOCUMENTED} == {param.id for param in EXAMPLES}
