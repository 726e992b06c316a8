"""Plots of numbers: trainings, waiting, cost."""

from __future__ import annotations

import pytest
from matplotlib import pyplot

from keras_bigdata import EpochCost, InputReport, plots
from keras_bigdata.bench.shuffle_quality import order_quality

HISTORY = {
    "loss": [1.0, 0.5, 0.4, 0.3],
    "val_loss": [0.9, 0.6, 0.7, 0.8],
    "val_clean_loss": [0.8, 0.5, 0.4, None],
    "accuracy": [0.1, 0.2, 0.3, 0.4],
    "val_accuracy": [0.2, 0.5, 0.4, 0.3],
}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_best_epoch_is_that_of_the_validation(render):
    axes = render(plots.training(HISTORY))
    assert texts(axes) == ["best: 0.6 in epoch 2"]
    assert labels(axes) == ["training", "validation", "validation, clean"]
    # Without colours they are told apart by their line styles.
    assert len({line.get_linestyle() for line in axes.get_lines()[:3]}) == 3
    assert texts(plots.training(HISTORY, "accuracy")) == ["best: 0.5 in epoch 2"]
    assert texts(plots.training(HISTORY, "accuracy", mode="min")) == ["best: 0.2 in epoch 1"]


def test_wrong_names_are_refused():
    with pytest.raises(ValueError, match=r"'f1' is not in the history\. It has: accuracy, loss"):
        plots.training(HISTORY, "f1")
    with pytest.raises(ValueError, match="`mode`"):
        plots.training(HISTORY, mode="best")
    with pytest.raises(ValueError, match="Received: list"):
        plots.training([1, 2])


def test_axes_are_drawn_on_and_returned(render):
    given = pyplot.subplots()[1]
    assert plots.training(HISTORY, axes=given) is given


def test_waiting_is_shown_with_its_limit(render):
    report = InputReport(verbose=0)
    with pytest.raises(ValueError, match="no epoch"):
        plots.input(report)
    report.epochs = [
        {"epoch": 0, "seconds": 10.0, "wait": 0.38, "limit": "transform", "logs": {"loss": 1.0}},
        {"epoch": 1, "seconds": 8.0, "wait": 0.02, "limit": "model", "logs": {"loss": 0.5}},
        {"epoch": 2, "seconds": 8.0, "wait": None, "limit": "model", "logs": {"loss": 0.7}},
    ]
    axes = render(plots.input(report))
    assert texts(axes) == ["38%\ntransform", "2%", "unknown"]
    assert [bar.get_height() for bar in axes.patches[3:]] == pytest.approx([3.8, 0.16, 0.0])
    assert texts(plots.training(report)) == ["best: 0.5 in epoch 2"]


@pytest.mark.slow
def test_captions_of_many_epochs_do_not_cover_each_other(render):
    record = {"seconds": 1.0, "wait": 0.5, "limit": "transform", "logs": {}}
    epochs = [{**record, "epoch": number} for number in range(13)]
    assert texts(render(plots.input(epochs[:12])))[0] == "50%\ntransform"
    assert texts(render(plots.input(epochs))) == ["50%"] * 13


@pytest.mark.slow
def test_captions_and_legends_stay_out_of_the_plot(render):
    axes = render(plots.training(HISTORY))
    assert axes.texts[0].get_window_extent().y0 > axes.get_window_extent().y1
    epochs = [{"epoch": 0, "seconds": 1.0, "wait": 0.5, "limit": "read", "logs": {}}]
    axes = render(plots.input(epochs))
    assert axes.get_legend().get_window_extent().y0 >= axes.get_window_extent().y1


def test_the_epoch_from_which_packing_pays_off_is_marked(render):
    times = EpochCost(train=1.5, read=1, decode=4, augment=2)
    axes = render(plots.cost(times))
    assert texts(axes) == ["packing pays off from epoch 2"]
    assert [line.get_ydata()[-1] for line in axes.get_lines()[:2]] == [127.5, 44.5]
    slow = EpochCost(train=100, read=1, decode=0.01)
    assert texts(plots.cost(slow, 5)) == []


@pytest.mark.slow
def test_the_order_in_use_and_the_sufficient_window_are_marked(render):
    quality = order_quality([40] * 50, 32)
    axes = render(plots.shuffle(quality))
    curve, full, chosen, enough = axes.get_lines()
    assert curve.get_ydata()[-1] == pytest.approx(quality.full_shards_per_batch)
    assert set(full.get_ydata()) == {quality.full_shards_per_batch}
    assert chosen.get_xydata().tolist() == [[quality.window_shards, quality.shards_per_batch]]
    assert set(enough.get_xdata()) == {quality.sufficient_window}
    assert "full shuffle" in labels(axes)
    given = pyplot.subplots()[1]
    assert render(plots.shuffle(order_quality([5], 2), axes=given)) is given
    with pytest.raises(TypeError, match="Received: str"):
        plots.shuffle("shards/train")
