"""Figures are drawn into memory, and closed after each test."""

from __future__ import annotations

import io

import matplotlib
import pytest
from matplotlib import pyplot

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    pyplot.close("all")


@pytest.fixture
def render():
    """A function that draws axes, as `savefig` does."""

    def draw(axes):
        axes.figure.savefig(io.BytesIO(), format="png")
        return axes

    return draw
