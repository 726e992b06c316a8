"""Sample weights of tables, and targets that some rows lack, from tables to the loss of `fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from keras_bigdata import ImageTable, PackError, ShardSequence, TextTable, pack
from tests.helpers.image_files import write_image

WORDS = ["a", "b", "a b", "b b"]


def open_texts(text_length: int = 2, **options: Any) -> TextTable:
    columns = {key: value for key, value in options.items() if isinstance(value, list)}
    named = {key: value for key, value in options.items() if key not in columns}
    return TextTable({"t": WORDS, **columns}, text="t", text_length=text_length, **named)


def batch_of(source: Any, directory: Path) -> Any:
    pack(source, directory, shuffle=False, verbose=0)
    return ShardSequence(directory, len(source), shuffle=None)[0]


def test_a_column_of_weights_becomes_the_sample_weights(tmp_path: Path):
    source = open_texts(l=list("xyxy"), w=[1, "0.5", 0.0, 2], label="l", sample_weight="w")
    assert source.roles.sample_weights == "sample_weight"
    _, y, weights = batch_of(source, tmp_path / "out")
    assert (weights.dtype, weights.tolist()) == (np.float32, [1, 0.5, 0, 2])
    assert y.tolist() == [0, 1, 0, 1]
    # Without the argument nothing is weighted, and the fields are what they were.
    assert len(batch_of(open_texts(l=list("xyxy"), label="l"), tmp_path / "plain")) == 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "there is no weight"),
        ("", "there is no weight"),
        ("much", "'much' is not a finite number"),
        (float("-inf"), "-inf is not a finite number"),
        (-0.5, "-0.5 is negative"),
    ],
)
def test_weights_that_are_none_are_refused_with_row_and_file(
    value: Any, reason: str, tmp_path: Path
):
    lines = [f"{text},x,{weight}" for text, weight in zip(WORDS, [1, 1, value, 1], strict=True)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["t,l,w", *lines]).replace("nan", ""))
    source = TextTable(path, text="t", label="l", sample_weight="w")
    reason = reason.replace("-inf", "'-inf'").replace("-0.5", "'-0.5'")
    with pytest.raises(PackError, match=rf"t\.csv, line 4: w: {reason}"):
        pack(source, tmp_path / "out")
    index = pack(source, tmp_path / "out", on_error="skip", verbose=0)
    assert (len(source), index.num_samples) == (4, 3)


def test_arguments_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match="`sample_weight` needs targets"):
        open_texts(w=[1] * 4, sample_weight="w")
    with pytest.raises(TypeError, match="`sample_weight` must be the name of a column"):
        open_texts(l=list("xyxy"), label="l", sample_weight=3)
    with pytest.raises(PackError, match="all weights are 0"):
        open_texts(l=list("xyxy"), label="l", w=[0] * 4, sample_weight="w")
    with pytest.raises(ValueError, match=r"must not name a field .*'sample_weight'"):
        open_texts(l=[1] * 4, label={"sample_weight": "l"}, w=[1] * 4, sample_weight="w")
    with pytest.raises(ValueError, match="needs `target`"):
        open_texts(l=[1] * 4, label="l", missing="mask")
    with pytest.raises(ValueError, match="`missing` must be"):
        open_texts(a=[1] * 4, target="a", missing="skip")
    with pytest.raises(ValueError, match=r"target=\{'a': 'a', 'b': 'b'\}"):
        open_texts(a=[1] * 4, b=[1] * 4, target=("a", "b"), missing="mask")
    with pytest.raises(PackError, match="no number in any row"):
        open_texts(a=[None] * 4, target="a", missing="mask")
    with pytest.raises(ValueError, match=r"`target` must not name a field .*'labels'"):
        open_texts(a=[1] * 4, target={"labels": "a"})


def test_a_dict_of_targets_is_a_dict_of_outputs(tmp_path: Path):
    source = open_texts(
        a=[1, 2, 3, 4], b=[0.5] * 4, c=[7, 8, 9, 9], target={"one": "a", "two": ["b", "c"]}
    )
    _, y = batch_of(source, tmp_path / "out")
    assert y["one"].tolist() == [1, 2, 3, 4]
    assert y["two"][1].tolist() == [0.5, 8]


def test_a_missing_number_is_an_error_unless_it_is_masked(tmp_path: Path):
    heights = [1.5, None, 2.5, "nan"]
    with pytest.raises(PackError, match="row 1: h: there is no number"):
        pack(open_texts(h=heights, target="h"), tmp_path / "out")
    masked = open_texts(h=heights, target="h", missing="mask")
    _, y, weights = batch_of(masked, tmp_path / "masked")
    assert (y.tolist(), weights.tolist()) == ([1.5, 0, 2.5, 0], [2, 0, 2, 0])
    # A part is weighted by its own rows.
    assert [float(row["sample_weight"]) for row in masked.select([0, 1, 2])] == [1.5, 0, 1.5]
    with pytest.raises(PackError, match="'tall' is not a finite number"):
        pack(open_texts(h=[1, "tall", 2, None], target="h", missing="mask"), tmp_path / "x")


def test_masked_rows_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pack(open_texts(h=[1.5, None, 2.5, 1], target="h", missing="mask"), tmp_path / "masked")
    error = capsys.readouterr().err
    assert "targets: 1 of 4 rows have no number" in error
    assert "multiplied by 1.333. Compile with `weighted_metrics`" in error


def test_the_loss_is_the_mean_over_the_rows_that_have_the_target(tmp_path: Path):
    """Two outputs of which one is masked, a label, and a column of weights, through `evaluate`."""
    ages = [10.0, None, 30.0, 50.0]
    source = open_texts(
        age=ages,
        height=[1.0, 2.0, 3.0, 4.0],
        w=[1, 1, 3, 1],
        target={"age": "age", "height": "height"},
        missing="mask",
        sample_weight="w",
    )
    pack(source, tmp_path / "out", shuffle=False, verbose=0)
    sequence = ShardSequence(tmp_path / "out", 4, shuffle=None)
    _, _, weights = sequence[0]
    np.testing.assert_allclose(weights["age"], [4 / 3, 0, 4, 4 / 3], rtol=1e-6)
    assert weights["height"].tolist() == [1, 1, 3, 1]
    tokens = keras.Input((2,), dtype="int32")
    zero = keras.layers.Dense(1, kernel_initializer="zeros")
    constant = zero(keras.ops.cast(tokens, "float32"))
    outputs = {name: keras.layers.Identity(name=name)(constant) for name in ("age", "height")}
    model = keras.Model(tokens, outputs)
    model.compile(
        "sgd",
        {"age": "mse", "height": "mse"},
        weighted_metrics={"age": ["mae"]},
        run_eagerly=True,
    )
    scores = model.evaluate(sequence, return_dict=True, verbose=0)
    present = np.array([[10, 1], [30, 3], [50, 1]])
    assert scores["age_mae"] == pytest.approx(np.average(present[:, 0], weights=present[:, 1]))
    age_loss = (present[:, 0] ** 2 * present[:, 1]).sum() / 3
    height_loss = (np.array([1, 4, 9, 16]) * [1, 1, 3, 1]).mean()
    assert scores["loss"] == pytest.approx(age_loss + height_loss)
    model.fit(sequence, shuffle=False, verbose=0)


def test_weights_of_masks_count_rows_and_not_columns(tmp_path: Path):
    """As many rows as pixels in a row: weights of shape `(rows,)` would weigh the columns."""
    for row in range(4):
        write_image(tmp_path / f"{row}.png", row * 50, (4, 4))
        mask = np.full((4, 4), int(row == 0), np.uint8)
        Image.fromarray(mask).save(tmp_path / f"m{row}.png")
    columns = {"id": range(4), "w": [1, 0, 0, 0], "l": [5, 5, 6, 6]}
    options: dict[str, Any] = {"image": "{id}.png", "mask": "m{id}.png", "root": tmp_path}
    source = ImageTable(columns, size=(4, 4), sample_weight="w", **options)
    pack(source, tmp_path / "out", shuffle=False, verbose=0)
    sequence = ShardSequence(tmp_path / "out", 4, shuffle=None)
    assert sequence[0][2].shape == (4, 1, 1)
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(1, 1, kernel_initializer="zeros"),
        ]
    )
    model.compile("sgd", "mse", weighted_metrics=["mse"], run_eagerly=True)
    scores = model.evaluate(sequence, return_dict=True, verbose=0)
    assert scores == pytest.approx({"loss": 0.25, "mse": 1})  # 1 in the only row that counts
    both = ImageTable(columns, size=(4, 4), sample_weight="w", label="l", **options)
    assert both.roles.sample_weights == ("sample_weight_masks", "sample_weight")
    assert [both[0][name].shape for name in both.roles.sample_weights] == [(1, 1), ()]
