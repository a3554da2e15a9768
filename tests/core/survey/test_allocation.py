"""How many points a stratum gets, and which units are drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hectares.core.survey.allocation import (
    allocate,
    class_deviations,
    half_width,
    points_for_target,
    shares_from_survey,
    shares_from_users_accuracy,
)
from hectares.core.survey.estimators import Survey, assess_map
from hectares.core.survey.intervals import IntervalRule
from hectares.errors import ConfigError

AREAS_M2 = np.array([200.0, 150.0, 3200.0, 6450.0])
USERS = np.array([0.7, 0.6, 0.9, 0.95])


def test_proportional_points_follow_the_area():
    assert allocate(1000, AREAS_M2).tolist() == [20, 15, 320, 645]


def test_equal_points_are_equal_but_for_the_rest():
    assert allocate(10, np.ones(4)).tolist() == [3, 3, 2, 2]


def test_a_floor_is_taken_from_the_others_in_proportion():
    assert allocate(1000, AREAS_M2, least=100).tolist() == [100, 100, 265, 535]


def test_no_stratum_gets_more_points_than_it_has_units():
    assert allocate(30, AREAS_M2, most=np.array([2, 1, 100, 5])).tolist() == [2, 1, 22, 5]


def test_a_stratum_without_pull_gets_the_floor():
    assert allocate(10, np.array([0.0, 1.0, 1.0])).tolist() == [2, 4, 4]


def test_neyman_has_the_smallest_error_of_all_allocations():
    areas_m2, shares = np.array([1.0, 3.0, 6.0]), np.array([[0.5, 0.5], [0.1, 0.9], [0.02, 0.98]])
    found = allocate(20, areas_m2 * class_deviations(shares)[:, 0])
    every = [(a, b, 20 - a - b) for a, b in itertools.product(range(2, 17), repeat=2) if a + b <= 18]
    best = min(every, key=lambda n: half_width(np.array(n), shares, areas_m2)[0])
    assert tuple(found.tolist()) == best


@pytest.mark.parametrize(("points", "most"), [(7, None), (30, np.array([5, 5, 5, 5]))])
def test_points_that_do_not_fit_are_refused(points: int, most: np.ndarray | None):
    with pytest.raises(ConfigError, match=f"{points} points do not fit 4 strata"):
        allocate(points, AREAS_M2, most=most)


def test_half_width_is_that_of_the_estimator():
    counts = np.array([[40, 10], [5, 45]])
    found = assess_map(Survey.of_map_classes(counts, np.array([1.0, 3.0])), IntervalRule(method="normal")).area
    expected = half_width(np.array([49, 49]), counts / 50, np.array([1.0, 3.0]))  # the estimator divides by n - 1
    assert (found.high - found.low) / 2 / found.value == pytest.approx(expected)


def test_a_target_for_one_class_is_met_with_the_fewest_points():
    areas_m2, shares = np.array([1.0, 3.0]), np.array([[0.8, 0.2], [0.05, 0.95]])
    found = points_for_target(np.array([0.3, np.nan]), shares, areas_m2)
    reaches = [
        n
        for n in itertools.product(range(2, 120), repeat=2)
        if half_width(np.array(n), shares, areas_m2)[0] <= 0.3 + 1e-9
    ]
    assert half_width(found, shares, areas_m2)[0] <= 0.3
    assert found.sum() <= min(map(sum, reaches)) + 1  # whole points


def test_targets_for_two_classes_are_both_met_and_neither_by_far():
    shares = shares_from_users_accuracy(USERS, AREAS_M2)
    targets = np.array([0.2, np.nan, 0.03, np.nan])
    found = points_for_target(targets, shares, AREAS_M2)
    reached = half_width(found, shares, AREAS_M2)[[0, 2]]
    assert (reached <= targets[[0, 2]] + 1e-9).all()
    alone = [points_for_target(np.where(np.arange(4) == k, targets, np.nan), shares, AREAS_M2).sum() for k in (0, 2)]
    assert max(alone) <= found.sum() <= sum(alone)


def test_after_a_first_round_only_what_is_missing_is_added():
    shares = shares_from_users_accuracy(USERS, AREAS_M2)
    targets = np.array([0.2, np.nan, np.nan, np.nan])
    first = np.array([200, 200, 100, 100])
    fresh, after = (points_for_target(targets, shares, AREAS_M2, least=least) for least in (2, first))
    assert (after >= first).all()
    assert half_width(after, shares, AREAS_M2)[0] == pytest.approx(0.2, abs=0.001)
    assert after.sum() - first.sum() < fresh.sum()
    assert (after[2:] <= fresh[2:]).all()


def test_a_first_round_that_is_enough_needs_no_more():
    shares = np.array([[0.9, 0.1], [0.1, 0.9]])
    first = np.array([400, 500])
    assert points_for_target(np.array([0.1, 0.1]), shares, np.ones(2), least=first).tolist() == [400, 500]


def test_few_units_need_fewer_points():
    shares, areas_m2 = np.array([[0.9, 0.1], [0.1, 0.9]]), np.ones(2)
    units = np.array([300, 300])
    found = points_for_target(np.array([0.05, np.nan]), shares, areas_m2, units=units)
    assert found.tolist() == [144, 144]  # 276.6 of endless many: 1 / (1 / 276.6 + 1 / 300) = 143.9
    assert half_width(found, shares, areas_m2, units=units)[0] <= 0.05


def test_a_class_that_fills_its_strata_needs_the_floor_only():
    shares = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert points_for_target(np.array([0.05, 0.05]), shares, np.ones(2), least=10).tolist() == [10, 10]


def test_a_class_that_is_nowhere_has_no_target():
    with pytest.raises(ConfigError, match="no area in the assumed shares"):
        points_for_target(np.array([0.1, 0.1]), np.array([[1.0, 0.0]]), np.ones(1))


@pytest.mark.parametrize("targets", [[np.nan, np.nan], [0.0, 0.1], [-0.1, np.nan]])
def test_a_target_that_is_none_is_refused(targets: list[float]):
    with pytest.raises(ConfigError, match="half-width"):
        points_for_target(np.array(targets), np.array([[0.9, 0.1]]), np.ones(1))


def test_assumed_shares_add_up():
    shares = shares_from_users_accuracy(USERS, AREAS_M2)
    assert shares.sum(axis=1) == pytest.approx(np.ones(4))
    assert np.diag(shares).tolist() == USERS.tolist()


def test_a_first_round_without_an_error_leaves_room_for_one():
    shares = shares_from_survey(Survey.of_map_classes(np.diag([50, 100]), np.array([10.0, 90.0])))
    assert shares.sum(axis=1) == pytest.approx([1, 1])
    assert shares[1, 0] == pytest.approx(0.1 / 101)
