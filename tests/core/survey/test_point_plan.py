"""Points by stratum, for a size or for a precision."""

from __future__ import annotations

import numpy as np
import pytest

from hectares.core.survey.point_plan import (
    Population,
    expected_precision,
    expected_shares,
    points_by_size,
    points_by_target,
)
from hectares.errors import ConfigError

NONE = np.zeros(5, np.int64)


@pytest.fixture
def population() -> Population:
    """Zone 0 has classes 0, 1 and 2, of which 2 cannot be drawn; zone 1 has 0 and 1."""
    zone, mapped = np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 0, 1])
    areas, units = np.array([900.0, 100.0, 0.0, 500.0, 500.0]), np.array([900, 100, 0, 500, 6])
    return Population(zone, mapped, areas, units, 3)


def _size(population: Population, size: int, allocation: str, least: int | None = 2, users: float = 0.8) -> list[int]:
    shares = expected_shares(population, np.array([users, 0.5, 0.8]))
    return points_by_size(population, size, shares, allocation, least=least, before=NONE).tolist()


def test_points_by_area_evenly_and_by_errors(population: Population):
    assert _size(population, 200, "proportional") == [116, 13, 0, 65, 6]  # 6 is all there is
    assert _size(population, 36, "equal") == [10, 10, 0, 10, 6]
    # area times root of 0.8 x 0.2, or of 0.5 x 0.5: 360, 50, 200; the last stratum is full
    assert _size(population, 67, "neyman") == [36, 5, 0, 20, 6]


def test_the_least_number_is_cut_where_the_size_does_not_carry_it(population: Population):
    assert min(np.array(_size(population, 400, "proportional", least=None))[[0, 1, 3]]) == 50
    assert _size(population, 80, "proportional", least=None)[1] == 10
    with pytest.raises(ConfigError, match="80 points do not fit 4 strata, which take 96"):
        _size(population, 80, "proportional", least=30)


def test_a_target_holds_in_every_zone(population: Population):
    shares = expected_shares(population, np.array([0.9, 0.9, 0.9]))
    targets = np.array([0.05, np.nan, np.nan])
    points = points_by_target(population, targets, shares, level=0.95, least=2, before=NONE)
    reached = expected_precision(population, points, shares, level=0.95)
    assert (reached[[0, 3]] <= 0.05 + 1e-9).all()
    assert (reached[[0, 3]] > 0.047).all()
    assert np.isnan(reached[2])
    assert (points <= population.units).all()


def test_points_drawn_before_are_kept_and_count(population: Population):
    shares = expected_shares(population, np.array([0.9, 0.9, 0.9]))
    targets, before = np.array([0.05, np.nan, np.nan]), np.array([40, 60, 0, 3, 4])
    alone = points_by_target(population, targets, shares, level=0.95, least=2, before=NONE)
    after = points_by_target(population, targets, shares, level=0.95, least=2, before=before)
    assert (after >= before).all()
    assert after[:3].sum() - before[:3].sum() < alone[:3].sum()


def test_a_target_for_what_cannot_be_drawn_is_refused(population: Population):
    shares = expected_shares(population, np.array([0.9, 0.9, 0.9]))
    with pytest.raises(ConfigError, match="class index 2 has a target"):
        points_by_target(population, np.array([np.nan, np.nan, 0.1]), shares, level=0.95, least=2, before=NONE)
