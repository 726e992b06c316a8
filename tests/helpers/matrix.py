"""Matrices of parameters. The default suite runs a part of them with every pair of values."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest


def all_pairs(**parameters: Sequence[Any]) -> pytest.MarkDecorator:
    """Parametrizes a test with all combinations of values.

    The default suite runs combinations that contain each pair of values of two parameters: 16 of
    128, say. The others are slow tests: they differ from these in three values or more at once.
    """
    cases = list(itertools.product(*parameters.values()))
    quick = pairwise(cases)
    return pytest.mark.parametrize(
        tuple(parameters),
        [pytest.param(*case, marks=[] if case in quick else pytest.mark.slow) for case in cases],
    )


def pairwise(cases: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Returns cases in which each pair of values of two positions occurs, found greedily."""
    left = set().union(*map(_pairs, cases))
    chosen = []
    while left:
        best = max(cases, key=lambda case: len(left & _pairs(case)))
        left -= _pairs(best)
        chosen.append(best)
    return chosen


def _pairs(case: tuple[Any, ...]) -> set[Any]:
    return set(itertools.combinations(enumerate(case), 2))
