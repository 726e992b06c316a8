from __future__ import annotations

import re
import textwrap
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_bigdata import Arrays, EpochCost, pack
from keras_bigdata.cli import main
from tests.helpers.unindexed_pickles import rows_of

# Hours, for a set of several hundred thousand images.
EXAMPLE = EpochCost(read=1, decode=4, augment=2, train=1.5)


def test_the_example_of_127_5_and_44_5_and_255_hours():
    assert EXAMPLE.prepare == 7
    assert EXAMPLE.on_the_fly(15) == (1.5 + 7) * 15 == 127.5
    assert EXAMPLE.packed(15) == 7 + (1.5 + 1) * 15 == 44.5
    assert EXAMPLE.on_the_fly(15, slowdown=2) == 2 * (1.5 + 7) * 15 == 255


def test_break_even_of_the_example():
    assert EXAMPLE.on_the_fly(1) < EXAMPLE.packed(1)
    assert EXAMPLE.packed(2) < EXAMPLE.on_the_fly(2)
    assert EXAMPLE.break_even() == 2
    assert EXAMPLE.break_even(variants=4) == 5  # 28 hours of packing, 6 saved per epoch
    assert EXAMPLE.break_even(slowdown=2) == 1
    with pytest.raises(ValueError, match="variants"):  # also where packing never pays off
        replace(EXAMPLE, feed=1e9).break_even(variants=0)


times = st.floats(0, 1000)


@given(times, times, times, times, st.one_of(st.none(), times), st.integers(1, 5), st.booleans())
def test_break_even_is_the_first_epoch_with_less_time(
    train, read, decode, augment, feed, variants, overlap
):
    cost = EpochCost(train, read, decode, augment, feed)
    even = cost.break_even(variants=variants, overlap=overlap)

    def lead(epochs):
        packed = cost.packed(epochs, variants=variants, overlap=overlap)
        return cost.on_the_fly(epochs, overlap=overlap) - packed

    slack = 1e-9 * (1 + train + variants * cost.prepare)
    if even is None:
        assert lead(10**6) <= slack * 10**6
    else:
        assert lead(even) > -slack * even
        assert even == 1 or lead(even - 1) <= slack * even


def test_with_overlap_an_epoch_takes_the_longer_of_the_two():
    assert EXAMPLE.on_the_fly(15, overlap=True) == 7 * 15
    assert EXAMPLE.packed(15, overlap=True) == 7 + 1.5 * 15
    hidden = EpochCost(train=10, read=1, decode=4)
    assert hidden.break_even(overlap=True) is None  # training hides all of it


@pytest.mark.parametrize("name", ["train", "read", "decode", "augment", "feed"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_invalid_times(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a finite number of at least 0"):
        EpochCost(**{"train": 1, "read": 1, name: value})


def test_a_short_repr():
    assert repr(EXAMPLE) == "EpochCost(train=1.5, read=1, decode=4, augment=2)"
    assert repr(EpochCost(0, 0, feed=1 / 3)) == "EpochCost(train=0, read=0, feed=0.333333)"
    assert repr(EpochCost(0, 0, feed=0)) == "EpochCost(train=0, read=0, feed=0)"


def test_invalid_counts():
    for call in (EXAMPLE.on_the_fly, EXAMPLE.packed):
        for epochs in (0, -1):
            with pytest.raises(ValueError, match="`epochs` must be an integer of at least 1"):
                call(epochs)
        for epochs in (1.5, True):
            with pytest.raises(TypeError, match="`epochs` must be an integer of at least 1"):
                call(epochs)
    with pytest.raises(ValueError, match="`variants`"):
        EXAMPLE.packed(1, variants=0)
    with pytest.raises(ValueError, match="`slowdown` must be a finite number above 0"):
        EXAMPLE.on_the_fly(1, slowdown=0)


def test_estimate(tmp_path, capsys):
    ids = list(range(200))
    source = Arrays(x=rows_of(np.array(ids)), labels=ids)
    pack(source, tmp_path / "shards", variants=2, augment=lambda sample, rng: sample, workers=1)
    command = ["estimate", str(tmp_path / "shards"), "--epochs", "15", "--pack-seconds", "14"]
    # 7 s to prepare, 1 s to read the packed data, 1.5 s to train.
    rates = ["--samples-per-second", "200", "--train-samples-per-second", str(200 / 1.5)]
    assert main([*command, *rates]) == 0
    output = capsys.readouterr().out
    assert "200 samples; packed data are read at 200 samples/s (as specified)" in output
    assert "preparing and training in turn: 2.1 min on the fly, 51.5 s packed once" in output
    assert "packing pays off from epoch 3" in output
    assert "preparing while training: 105.0 s on the fly, 36.5 s packed once" in output

    assert main(command) == 0
    output = capsys.readouterr().out
    assert re.search(r"read at \d+ samples/s \(measured\)", output)
    assert "The training steps are not included" in output
    for option, value in (("--samples-per-second", "0"), ("--pack-seconds", "-1")):
        assert main([*command, option, value]) == 1
        assert f"`{option}` must be a finite number" in capsys.readouterr().err


def test_the_example_in_the_docstring_runs(capsys):
    code = EpochCost.__doc__.split("```python")[1].split("```")[0]
    exec(compile(textwrap.dedent(code), "docstring", "exec"), {})
    assert capsys.readouterr().out == "127.5 255.0 44.5\n2\n"
