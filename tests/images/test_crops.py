"""Which part of an image `Resize`, `CenterCrop` and `RandomResizedCrop` use."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keras_bigdata import CenterCrop, RandomResizedCrop, Resize

SIDES = st.integers(1, 5_000)
DRAWS = st.lists(st.floats(0, 1, exclude_max=True), min_size=22, max_size=22)


@given(SIDES, SIDES, DRAWS)
@example(1, 5_000, [0.999] * 22)
def test_a_random_crop_lies_in_the_image_and_has_an_area_and_a_ratio_that_are_allowed(
    height, width, draws
):
    crop = RandomResizedCrop((32, 48), scale=(0.2, 0.9), ratio=(0.5, 2))
    placement = crop.place(height, width, draws)
    top, left, rows, columns = placement.box
    assert placement.size == (32, 48)
    assert placement.origin == (0, 0)
    assert 0 <= top < top + rows <= height
    assert 0 <= left < left + columns <= width
    if min(height, width) > 200 and 0.5 <= width / height <= 2:
        assert 0.19 < rows * columns / (height * width) < 0.92
    if min(rows, columns) > 100:
        assert 0.49 < columns / rows < 2.04


def test_random_crops_are_spread_as_torchvision_spreads_them():
    """Area uniform, the logarithm of the ratio uniform, the place uniform among those that fit."""
    rng = np.random.default_rng(0)
    crop = RandomResizedCrop((8, 8), scale=(0.1, 0.3), ratio=(3 / 4, 4 / 3))
    boxes = np.array([crop.place(1_000, 1_000, rng.random(22)).box for _ in range(4_000)])
    areas = boxes[:, 2] * boxes[:, 3] / 1e6
    ratios = np.log(boxes[:, 3] / boxes[:, 2])
    places = boxes[:, 0] / (1_000 - boxes[:, 2])
    for values, low, high in ((areas, 0.1, 0.3), (ratios, -0.2877, 0.2877), (places, 0, 1)):
        assert abs(values.mean() - (low + high) / 2) < 0.03 * (high - low)
        assert abs(values.std() - (high - low) / math.sqrt(12)) < 0.03 * (high - low)


@pytest.mark.parametrize(
    ("height", "width", "box"), [(1_000, 10, (493, 0, 13, 10)), (10, 1_000, (0, 493, 10, 13))]
)
def test_of_an_image_longer_than_any_part_the_middle_is_used(height, width, box):
    crop = RandomResizedCrop((8, 8), scale=(0.9, 1.0))
    assert crop.place(height, width, [0.5] * 22).box == box


def test_center_crops():
    assert CenterCrop((4, 6)).place(10, 11, ()).box == (3, 2, 4, 6)
    padded = CenterCrop((8, 6)).place(5, 20, ())
    assert (padded.box, padded.size, padded.origin) == ((0, 7, 5, 6), (5, 6), (1, 0))
    # The shorter side of 300 becomes 256, of which 224 are used; of the longer one 341.
    scaled = CenterCrop((224, 224), resize=256).place(300, 400, ())
    down, across = 300 / 256, 400 / 341
    assert np.allclose(scaled.box, (16 * down, 58 * across, 224 * down, 224 * across))
    assert scaled.size == (224, 224)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Resize(8), "`size` must be .height, width."),
        (lambda: Resize((8, 0)), r"size\[1\]"),
        (lambda: CenterCrop((8, 8), resize=0), "resize"),
        (lambda: RandomResizedCrop((8, 8), scale=(0.5, 0.1)), "`scale` must ascend"),
        (lambda: RandomResizedCrop((8, 8), scale=(0.5, 1.5)), "at most 1"),
        (lambda: RandomResizedCrop((8, 8), ratio=2), "`ratio` must be the smallest and the"),
        (lambda: RandomResizedCrop((8, 8), ratio=(0, 2)), r"ratio\[0\]"),
    ],
)
def test_a_wrong_argument_is_refused(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
