"""Plots of trainings, of their input and of their data, with matplotlib (extra `plot`).

training    curves of the scores (score_direction: whether a smaller one is better)
input       how long training waited for data
cost        training time on the fly and packed
samples     images of a set with their labels (sample_images reads them)
mistakes    images that a model classifies wrongly
classes     how many rows each class has
shuffle     how well an order mixes the rows

Each function takes the axes to draw on, creates new ones if there are none, and returns them. All
plots can be read without colors. They use drawing. terminal_images shows images where matplotlib
is not installed.
"""

from __future__ import annotations

from keras_bigdata.plots.classes import classes
from keras_bigdata.plots.cost import cost
from keras_bigdata.plots.input import input
from keras_bigdata.plots.mistakes import mistakes
from keras_bigdata.plots.samples import samples
from keras_bigdata.plots.shuffle import shuffle
from keras_bigdata.plots.training import training

__all__ = ["classes", "cost", "input", "mistakes", "samples", "shuffle", "training"]
