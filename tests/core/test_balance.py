"""Rare classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hectares.core.balance import class_weights, repeat_factors

COUNTS = np.array([[80, 20, 0, 0], [90, 0, 10, 0], [100, 0, 0, 0]])
_counts = hnp.arrays(np.int64, st.tuples(st.integers(1, 8), st.integers(1, 5)), elements=st.integers(0, 1000))


def test_inverse_weights_by_hand():
    rarity = np.array([300 / 270, 300 / 20, 300 / 10])
    assert class_weights(COUNTS, "inverse")[:3] == pytest.approx(rarity / rarity.mean())


def test_median_frequency_by_hand():
    share = np.array([270 / 300, 20 / 100, 10 / 100])  # of the pixels of the chips that hold the class
    rarity = 0.2 / share
    assert class_weights(COUNTS, "median")[:3] == pytest.approx(rarity / rarity.mean())


def test_effective_numbers_by_hand():
    rarity = 0.001 / (1 - 0.999 ** np.array([3, 1, 1]))
    assert class_weights(COUNTS, "effective")[:3] == pytest.approx(rarity / rarity.mean())


def test_without_chips_nothing_repeats():
    assert repeat_factors(np.zeros((0, 2), np.uint32), 0.1).shape == (0,)


@pytest.mark.parametrize("kind", ["none", "inverse", "median", "effective"])
@given(counts=_counts)
def test_weights_are_positive_with_a_mean_of_1_and_absent_classes_have_1(kind: str, counts: np.ndarray):
    weights = class_weights(counts, kind)
    present = counts.sum(axis=0) > 0
    assert (weights > 0).all()
    assert (weights[~present] == 1).all()
    if present.any():
        assert weights[present].mean() == pytest.approx(1)


def test_a_chip_comes_as_often_as_its_rarest_class_asks():
    assert repeat_factors(COUNTS, threshold=0.5) == pytest.approx([np.sqrt(1.5), np.sqrt(1.5), 1])


@given(_counts, st.floats(0.01, 1))
def test_every_chip_comes_at_least_once(counts: np.ndarray, threshold: float):
    assert (repeat_factors(counts, threshold) >= 1).all()
