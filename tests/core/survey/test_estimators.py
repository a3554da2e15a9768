"""Areas and accuracies from a sample: published examples, a population counted whole, and zones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hectares.core.survey.estimators import Survey, assess_map, bound_shares
from hectares.core.survey.intervals import IntervalRule
from hectares.errors import InputError

NORMAL = IntervalRule(method="normal")
Z = 1.959964
# Olofsson et al. 2014: deforestation, forest gain, stable forest, stable non-forest; pixels of 30 m
COUNTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
MAPPED_M2 = np.array([200_000, 150_000, 3_200_000, 6_450_000]) * 900.0
# Stehman 2014, table 2: ten points of each stratum, mapped and reference class
STEHMAN = {
    0: ("AAAAAAABBB", "AAAAACBABC"),
    1: ("ABBBBBBBBB", "ABBBBBAABB"),
    2: ("BBCCCCCCBB", "CCCCCDDBBA"),
    3: ("DDDDDDDDDD", "DDDDDDDCCB"),
}
STEHMAN_UNITS = np.array([40_000, 30_000, 20_000, 10_000])


def stehman(**options: object) -> Survey:
    counts = np.zeros((4, 4, 4))
    for stratum, (mapped, reference) in STEHMAN.items():
        np.add.at(counts[stratum], (["ABCD".index(c) for c in mapped], ["ABCD".index(c) for c in reference]), 1)
    return Survey(counts, STEHMAN_UNITS * 100.0, **options)


def test_areas_of_olofsson_are_met():
    area = assess_map(Survey.of_map_classes(COUNTS, MAPPED_M2), NORMAL).area.times(MAPPED_M2.sum())
    assert (area.value / 1e4).round().tolist() == [21_158, 11_686, 285_770, 581_386]
    assert (1.96 * area.se / 1e4).round().tolist() == [6158, 3756, 15_510, 16_282]
    assert (area.high[0] - area.low[0]) / 2e4 == pytest.approx(6158, abs=1)


def test_accuracies_of_olofsson_are_met():
    found = assess_map(Survey.of_map_classes(COUNTS, MAPPED_M2), NORMAL)
    assert found.overall.value.round(2) == 0.95
    assert (Z * found.overall.se).round(2) == 0.02
    assert found.users.value.round(2).tolist() == [0.88, 0.73, 0.93, 0.96]
    assert (Z * found.users.se).round(2).tolist() == [0.07, 0.10, 0.04, 0.02]
    assert found.producers.value.round(2).tolist() == [0.75, 0.85, 0.93, 0.96]
    # 0.21, 0.23, 0.03 and 0.01 are quoted as published; equation 7 of the paper, written out below, gives these
    assert (Z * found.producers.se).round(2).tolist() == [0.21, 0.25, 0.03, 0.02]


def test_producers_accuracy_has_the_variance_of_olofsson_equation_7():
    p = COUNTS / COUNTS.sum(axis=1, keepdims=True)
    n, area = COUNTS.sum(axis=1), MAPPED_M2 @ p
    producers = MAPPED_M2 * np.diag(p) / area
    part = MAPPED_M2[:, None] ** 2 * p * (1 - p) / (n[:, None] - 1)
    own, others = np.diag(part), part.sum(axis=0) - np.diag(part)
    expected = np.sqrt(((1 - producers) ** 2 * own + producers**2 * others) / area**2)
    found = assess_map(Survey.of_map_classes(COUNTS, MAPPED_M2), NORMAL).producers
    assert found.value == pytest.approx(producers)
    assert found.se == pytest.approx(expected)


def test_stehman_is_met():
    found = assess_map(stehman(), NORMAL)
    assert found.area.value[[0, 2]] == pytest.approx([0.35, 0.20])
    assert found.area.se[[0, 2]].round(3).tolist() == [0.082, 0.064]
    assert (found.overall.value.round(2)[0], found.overall.se.round(3)[0]) == (0.63, 0.085)
    assert (found.users.value.round(3)[1], found.users.se.round(3)[1]) == (0.574, 0.125)
    assert (found.producers.value.round(3)[1], found.producers.se.round(3)[1]) == (0.794, 0.117)
    assert found.matrix[1, 2] == pytest.approx(0.08)


def test_all_classes_of_stehman_agree_with_another_program():
    """Standard errors printed by the R package mapac for the same table."""
    found = assess_map(stehman(), NORMAL)
    assert found.users.value == pytest.approx([0.7419355, 0.5744681, 0.5, 0.7], abs=1e-6)
    assert found.users.se == pytest.approx([0.1645627, 0.1248023, 0.2151657, 0.1527525], abs=2e-4)
    assert found.producers.value == pytest.approx([0.6571429, 0.7941176, 0.3, 0.6363636], abs=1e-6)
    assert found.producers.se == pytest.approx([0.1477318, 0.1165671, 0.1504438, 0.1623242], abs=2e-4)


@given(st.lists(st.integers(0, 30), min_size=9, max_size=9), st.integers(1, 1000))
@settings(max_examples=40, deadline=None)
def test_shares_add_up_to_one(cells: list[int], area: int):
    counts = np.array(cells).reshape(3, 3) + np.eye(3, dtype=int) * 2
    found = assess_map(Survey.of_map_classes(counts, np.array([area, 500.0, 77.0])), NORMAL)
    assert found.area.value.sum() == pytest.approx(1)
    assert found.matrix.sum() == pytest.approx(1)
    assert found.matrix.sum(axis=1) == pytest.approx(np.array([area, 500, 77]) / (area + 577))
    assert found.matrix.sum(axis=0) == pytest.approx(found.area.value)
    assert np.trace(found.matrix) == pytest.approx(found.overall.value[0])


# Every sample of 2 of 4 and 3 of 5 pixels of a population of two strata, as (mapped, reference)
POPULATION = [[(0, 0), (0, 0), (0, 1), (1, 1)], [(1, 1), (1, 1), (1, 0), (0, 0), (1, 1)]]


def all_surveys() -> list[Survey]:
    surveys = []
    for first, second in itertools.product(itertools.combinations(POPULATION[0], 2),
                                           itertools.combinations(POPULATION[1], 3)):  # fmt: skip
        counts = np.zeros((2, 2, 2))
        for stratum, pixels in enumerate((first, second)):
            for mapped, reference in pixels:
                counts[stratum, mapped, reference] += 1
        surveys.append(Survey(counts, np.array([4.0, 5.0]), units=np.array([4, 5])))
    return surveys


def test_areas_and_their_variance_are_unbiased_over_all_samples_of_a_population():
    found = [assess_map(s, NORMAL) for s in all_surveys()]
    areas = np.array([f.area.value for f in found])
    assert len(found) == 60
    assert areas.mean(axis=0) == pytest.approx([4 / 9, 5 / 9])
    assert np.mean([f.overall.value for f in found]) == pytest.approx(7 / 9)
    assert np.mean([f.area.se**2 for f in found], axis=0) == pytest.approx(areas.var(axis=0))


def test_a_census_is_the_truth_without_error():
    counts = np.array([[[2, 1], [0, 1]], [[1, 0], [1, 3]]])
    found = assess_map(Survey(counts, np.array([4.0, 5.0]), units=np.array([4, 5])))
    assert found.area.value == pytest.approx([4 / 9, 5 / 9])
    assert found.users.value == pytest.approx([3 / 4, 4 / 5])
    assert found.producers.value == pytest.approx([3 / 4, 4 / 5])
    assert found.area.se.tolist() == [0, 0]
    assert found.area.low == pytest.approx(found.area.high, abs=1e-4)


def test_a_sample_that_is_a_large_part_of_the_units_has_a_smaller_error():
    counts = np.array([[8, 2], [1, 9]])
    whole = assess_map(Survey.of_map_classes(counts, np.array([1.0, 1.0])), NORMAL).area.se
    part = assess_map(Survey.of_map_classes(counts, np.array([1.0, 1.0]), units=np.array([40, 40])), NORMAL).area.se
    assert part == pytest.approx(whole * np.sqrt(0.75))


def test_zones_add_up_to_the_whole():
    """Ten points of each of two strata; the west has some of them."""
    west = np.array([[[4, 1], [0, 0]], [[0, 0], [1, 2]]])
    east = np.array([[[4, 1], [0, 0]], [[0, 0], [0, 7]]])
    areas_m2, drawn, mapped = np.array([30.0, 70.0]), np.array([10, 10]), np.eye(2, dtype=bool)
    zones = [assess_map(Survey(c, areas_m2, drawn=drawn, mapped=mapped), NORMAL) for c in (west, east)]
    # of the area 0.3 * 0.5 + 0.7 * 0.3 = 0.36 lies in the west, 0.64 in the east
    assert zones[0].area.value == pytest.approx([(0.3 * 0.4 + 0.7 * 0.1) / 0.36, (0.3 * 0.1 + 0.7 * 0.2) / 0.36])
    whole = assess_map(Survey(west + east, areas_m2, mapped=mapped), NORMAL)
    assert 0.36 * zones[0].area.value + 0.64 * zones[1].area.value == pytest.approx(whole.area.value)
    assert (zones[0].area.se > whole.area.se).all()


def test_the_error_of_a_zone_is_that_of_a_ratio():
    """Residuals of 'class 0 in the zone' less R times 'in the zone', point by point."""
    y = np.array([1.0] * 3 + [0.0] * 7)
    x = np.array([1.0] * 5 + [0.0] * 5)
    survey = Survey(np.array([[[3, 2], [0, 0]]]), np.array([50.0]), drawn=np.array([10]))
    found = assess_map(survey, NORMAL).area
    assert found.value[0] == pytest.approx(0.6)
    assert found.se[0] == pytest.approx(np.sqrt((y - 0.6 * x).var(ddof=1) / 10) / 0.5)


def test_a_class_of_which_there_is_no_point_has_no_accuracy():
    found = assess_map(Survey.of_map_classes(np.array([[5, 0, 0], [1, 5, 0], [0, 0, 0]]), np.array([1.0, 2.0, 0.0])))
    assert np.isnan(found.users.value[2])
    assert np.isnan(found.producers.low[2])
    assert found.area.value[2] == 0


@pytest.mark.parametrize(
    ("counts", "areas", "said"),
    [
        ([[5, 0], [1, 0]], [1.0, 1.0], "stratum 1 has fewer than 2 points"),
        ([[5, 0], [1, 3]], [1.0, 0.0], "stratum 1 has points but no area"),
        ([[5, 0], [1, 3]], [np.nan, 1.0], "stratum 0 has no area"),
        ([[5, -1], [1, 3]], [1.0, 1.0], "stratum 0 has a negative count"),
    ],
)
def test_a_survey_that_cannot_be_is_refused(counts: list[list[int]], areas: list[float], said: str):
    with pytest.raises(InputError, match=said):
        Survey.of_map_classes(np.array(counts), np.array(areas))


def test_more_points_than_units_are_refused():
    with pytest.raises(InputError, match="stratum 1 has more points than units"):
        Survey.of_map_classes(np.array([[5, 0], [1, 3]]), np.array([1.0, 1.0]), units=np.array([9, 3]))


def test_a_point_of_a_class_that_the_map_does_not_show_there_is_refused():
    with pytest.raises(InputError, match="stratum 0 has points of a class its map does not show"):
        Survey(np.array([[[5, 0], [1, 3]]]), np.array([1.0]), mapped=np.array([[True, False]]))


def test_a_stratum_of_one_unit_that_was_drawn_is_known():
    counts = np.array([[1, 0], [3, 7]])
    survey = Survey.of_map_classes(counts, np.array([20.0, 80.0]), units=np.array([1, 1000]))
    found = assess_map(survey)
    assert found.area.value == pytest.approx([0.2 + 0.8 * 0.3, 0.8 * 0.7])
    assert found.area.se == pytest.approx([0.8 * np.sqrt(0.3 * 0.7 / 9 * 0.99)] * 2)
    assert found.area.low[0] > 0.2
    with pytest.raises(InputError, match="stratum 0 has fewer than 2 points"):
        Survey.of_map_classes(counts, np.array([20.0, 80.0]), units=np.array([2, 1000]))


def test_points_without_a_label_bound_the_share_of_a_class():
    survey = Survey.of_map_classes(np.array([[6, 2], [0, 9]]), np.array([30.0, 70.0]))
    low, high = bound_shares(survey, np.array([2, 1]))
    assert low == pytest.approx([0.3 * 0.6, 0.3 * 0.2 + 0.7 * 0.9])
    assert high == pytest.approx([0.3 * 0.8 + 0.7 * 0.1, 0.3 * 0.4 + 0.7])
    value = assess_map(survey, NORMAL).area.value
    assert (low <= value).all()
    assert (value <= high).all()
