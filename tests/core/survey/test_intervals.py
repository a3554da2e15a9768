"""Intervals that hold: by hand for one stratum, by simulated surveys for several."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hectares.core.survey.estimators import Survey, assess_map, estimate_ratios
from hectares.core.survey.intervals import Design, IntervalRule, Tally, melded_ends, normal_ends

COUNTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
MAPPED_M2 = np.array([200_000, 150_000, 3_200_000, 6_450_000]) * 900.0


def one_stratum(hits: float, n: float, *, fraction: float = 0.0) -> tuple[float, float]:
    tally = Tally(np.array([[hits]]), np.array([[n - hits]]), np.array([[[True, True, False]]]))
    design = Design(np.ones(1), np.array([n]), np.array([fraction]))
    low, high = melded_ends(np.array([hits / n]), tally, design, IntervalRule(draws=40_000))
    return float(low[0]), float(high[0])


def test_a_stratum_without_a_hit_reaches_up_to_what_could_have_been_missed():
    low, high = one_stratum(0, 100)
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 100), rel=0.03)  # Clopper and Pearson: 0.0362


def test_a_stratum_without_a_miss_is_the_same_upside_down():
    low, high = one_stratum(100, 100)
    assert high == 1
    assert low == pytest.approx(0.025 ** (1 / 100), abs=0.002)


def test_many_counts_give_about_the_normal_interval():
    low, high = one_stratum(400, 1000)
    se = np.sqrt(0.4 * 0.6 / 999)
    assert normal_ends(np.array([0.4]), np.array([se]), 0.95)[0][0] == pytest.approx(low, abs=0.003)
    assert 0.4 + 1.96 * se == pytest.approx(high, abs=0.003)


def test_a_sample_of_half_the_units_reaches_as_far_as_counting_the_rest_allows():
    """Of 200 units 5 may be hits and all 100 points miss them (0.0297); 6 may not (0.0143)."""
    none_of = [math.comb(200 - hits, 100) / math.comb(200, 100) for hits in (5, 6)]
    assert none_of[0] > 0.025 > none_of[1]
    assert one_stratum(0, 100, fraction=0.5)[1] == pytest.approx(5 / 200)


def test_many_strata_are_as_one_that_is_drawn_evenly():
    """300 strata of 10 points each, 3 hits in every one, against one stratum of 3,000."""
    yes = np.ones((1, 300), bool)
    tally = Tally(np.full((1, 300), 3.0), np.full((1, 300), 7.0), np.stack([yes, yes, ~yes], axis=-1))
    design = Design(np.full(300, 1 / 300), np.full(300, 10.0), np.zeros(300))
    low, high = melded_ends(np.array([0.3]), tally, design, IntervalRule(draws=2000))
    one = one_stratum(900, 3000)
    assert high[0] - low[0] == pytest.approx(one[1] - one[0], rel=0.1)
    assert (low[0] + high[0]) / 2 == pytest.approx(0.3, abs=0.02)


def test_a_census_has_no_length():
    assert one_stratum(30, 100, fraction=1.0) == (0.3, 0.3)


def test_intervals_depend_on_the_seed_alone():
    survey = Survey.of_map_classes(COUNTS, MAPPED_M2)
    rule = IntervalRule(draws=500, seed=3)
    first, second, other = (assess_map(survey, r).area for r in (rule, rule, IntervalRule(draws=500, seed=4)))
    assert (first.low == second.low).all()
    assert (first.high != other.high).any()


def test_estimates_lie_inside_and_shares_between_0_and_1():
    found = assess_map(Survey.of_map_classes(COUNTS, MAPPED_M2), IntervalRule(draws=2000))
    for estimate in (found.area, found.users, found.producers, found.overall):
        assert (estimate.low >= 0).all()
        assert (estimate.low <= estimate.value).all()
        assert (estimate.value <= estimate.high).all()
        assert (estimate.high <= 1).all()


def test_the_normal_interval_of_a_perfect_sample_has_no_length_and_the_other_has():
    survey = Survey.of_map_classes(np.diag([50, 100]), np.array([10.0, 990.0]))
    normal = assess_map(survey, IntervalRule(method="normal"))
    melded = assess_map(survey, IntervalRule(draws=4000))
    assert (normal.area.low == normal.area.high).all()
    assert melded.area.high[0] > 0.03
    assert melded.area.low[0] < 0.01
    assert melded.producers.low[0] < 0.25
    assert melded.producers.high[0] == 1
    # one stratum says all there is to know of a user's accuracy: 0.025 ** (1 / 50)
    assert melded.users.low[0] == pytest.approx(0.929, abs=0.005)
    assert melded.overall.high[0] == 1


def test_a_zone_across_strata_that_are_no_classes_has_longer_intervals_than_the_whole():
    counts = np.array([[[20, 5], [3, 12]], [[8, 2], [6, 24]]])
    areas_m2, rule = np.array([3.0, 7.0]), IntervalRule(draws=4000)
    whole = assess_map(Survey(counts * 2, areas_m2), rule)
    zone = assess_map(Survey(counts, areas_m2, drawn=np.array([80, 80])), rule)
    assert zone.area.value == pytest.approx(whole.area.value)
    for part, every in ((zone.area, whole.area), (zone.users, whole.users), (zone.producers, whole.producers)):
        assert (part.low < every.low).all()
        assert (part.high > every.high).all()


def test_a_higher_level_is_longer():
    survey = Survey.of_map_classes(COUNTS, MAPPED_M2)
    lengths = [
        e.high - e.low for e in (assess_map(survey, IntervalRule(level, draws=2000)).area for level in (0.9, 0.99))
    ]
    assert (lengths[0] < lengths[1]).all()


EASY = ([1, 1], [200, 200], [[0.9, 0.1], [0.1, 0.9]])
RARE_OMITTED = ([1, 99], [50, 100], [[0.9, 0.1], [0.0034, 0.9966]])
THIRTY = ([2, 98], [30, 30], [[0.9, 0.1], [0.01, 0.99]])
FOUR = (
    [1, 2, 3, 4],
    [30] * 4,
    [[0.85, 0.05, 0.05, 0.05], [0.1, 0.8, 0.05, 0.05], [0.05, 0.05, 0.8, 0.1], [0.03, 0.07, 0.1, 0.8]],
)
COMMON = ([1, 1, 1], [50] * 3, [[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]])
EMPTY_CELLS = ([1, 9, 40], [50] * 3, [[0.9, 0.1, 0], [0.0, 0.95, 0.05], [0.0, 0.05, 0.95]])
SURVEYS = 2000


Case = tuple[list[float], list[int], list[list[float]]]


def tally_of(counts: np.ndarray, what: str) -> Tally:
    """Hits and misses of the first class among the points (H, K) of a survey whose strata are the map classes."""
    strata = len(counts)
    own, yes, no = np.arange(strata) == 0, np.ones(strata, bool), np.zeros(strata, bool)
    if what == "producers":
        hits, whole, possible = counts[:, 0] * own, counts[:, 0], (own, ~own, yes)
    else:
        hits = counts[:, 0] if what == "area" else np.diag(counts)
        whole, possible = counts.sum(axis=1), (yes, yes, no)
    return Tally(hits[None].astype(float), (whole - hits)[None].astype(float), np.stack(possible, axis=-1)[None])


def coverage(case: Case, what: str, method: str) -> float:
    """Share of simulated surveys whose interval for the first class holds the truth."""
    areas, points, shares = np.array(case[0], float), case[1], np.array(case[2])
    weights, rng = areas / areas.sum(), np.random.default_rng(5)
    design = Design(weights, np.array(points, float), np.zeros(len(areas)))
    right, whole = np.diag(shares), weights @ shares
    truth = {"area": whole[0], "producers": weights[0] * right[0] / whole[0], "overall": weights @ right}[what]
    held, known = 0, {}
    for k in range(SURVEYS):
        tally = tally_of(np.stack([rng.multinomial(n, p) for n, p in zip(points, shares, strict=True)]), what)
        key = tally.hit.tobytes() + tally.miss.tobytes()
        if key not in known:
            found = estimate_ratios(tally, design, IntervalRule(method=method, draws=3000, seed=k))
            known[key] = found.low[0] - 1e-12 <= truth <= found.high[0] + 1e-12
        held += known[key]
    return held / SURVEYS


@pytest.mark.slow
@pytest.mark.parametrize("what", ["area", "producers", "overall"])
@pytest.mark.parametrize("case", [EASY, RARE_OMITTED, THIRTY, FOUR, COMMON, EMPTY_CELLS])
def test_melded_intervals_hold_in_simulated_surveys(case: Case, what: str):
    """2,000 surveys: a standard error of 0.5 points; 95 % less three of them."""
    assert coverage(case, what, "melded") >= 0.935


@pytest.mark.slow
@pytest.mark.parametrize("case", [EASY, COMMON])
def test_melded_intervals_are_no_longer_than_needed_where_counts_are_large(case: Case):
    assert coverage(case, "area", "melded") <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("case", [RARE_OMITTED, THIRTY])
def test_normal_intervals_do_not_hold_where_a_rare_class_is_omitted(case: Case):
    assert coverage(case, "area", "normal") < 0.35
