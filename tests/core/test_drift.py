"""Values of a scene against those of training."""

from __future__ import annotations

import numpy as np
import pytest

from hectares.core.bands import BandStats
from hectares.core.drift import Drift, ValueRange, otherwise_scaled

STATS = BandStats(("red", "nir"), (50.0, 100.0), (20.0, 0.0), (10.0, 60.0), (90.0, 140.0), (0.0, 50.0), (100.0, 255.0))


def test_the_range_is_widened_but_not_beyond_what_training_saw():
    assert ValueRange.of(STATS) == ValueRange((0.0, 50.0), (100.0, 180.0))


def test_statistics_without_percentiles_give_no_range_and_no_drift():
    bare = BandStats(("red",), (50.0,), (20.0,))
    assert ValueRange.of(bare) is None
    assert Drift.measure(bare, np.ones((1, 4))) is None


def test_a_scene_without_pixels_has_no_drift():
    assert Drift.measure(STATS, np.empty((2, 0))) is None


def test_scores_count_deviations_and_shares_count_pixels():
    found = Drift.measure(STATS, np.array([[10, 10, 101, 99], [100, 181, 181, 40]], np.uint8))
    assert found is not None
    red, nir = found.bands
    assert red.score == pytest.approx((55 - 50) / 20)
    assert nir.score == 0  # no spread in training: nothing to count in
    assert (red.out_of_range, nir.out_of_range, found.out_of_range) == (0.25, 0.75, 0.75)
    assert found.farthest is red


def test_bands_of_another_unit_are_told_apart_from_those_that_are_only_brighter():
    found = Drift.measure(STATS, np.array([[300] * 50, [2] * 50]))
    assert found is not None
    assert [b.name for b in otherwise_scaled(found.bands)] == ["nir"]
