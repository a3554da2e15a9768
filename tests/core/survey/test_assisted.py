"""Model-assisted areas: by hand, over every sample of a small population, and against what they must equal."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hectares.core.survey.assisted import (
    FEWEST_EFFECTIVE,
    LabelledPoints,
    assist,
    assisted_ends,
    design_effect,
    gap_ends,
)
from hectares.core.survey.estimators import Survey, assess_map
from hectares.core.survey.intervals import Design, IntervalRule
from hectares.errors import InputError

NORMAL = IntervalRule(method="normal")


def points_of(
    truth: list[int],
    aid: list[float],
    known: float,
    *,
    stratum: list[int] | None = None,
    weights: list[float] | None = None,
    units: list[int] | None = None,
) -> LabelledPoints:
    """One class, one column."""
    h = np.array(stratum or [0] * len(truth))
    drawn = np.bincount(h).astype(float)
    fraction = np.zeros(len(drawn)) if units is None else drawn / units
    design = Design(np.array(weights or [1.0]), drawn, fraction)
    return LabelledPoints(np.array(truth, float)[:, None], np.array(aid, float)[:, None], np.array([known]), h, design)


def test_a_difference_by_hand():
    # the aid has a mean of 0.6 everywhere, 0.5 at the points; they have 0.25, and so the aid is 0.25 too large
    found = assist(points_of([1, 0, 0, 0], [1, 1, 0, 0], 0.6), "difference")
    assert found.value == pytest.approx([0.35])
    # residuals 0, -1, 0, 0: variance 1/4 among 4 points
    assert found.se == pytest.approx([0.25])
    assert found.plain_value == pytest.approx([0.25])
    assert found.plain_se == pytest.approx([0.25])


def test_a_tuned_factor_is_the_slope():
    truth, aid = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    found = assist(points_of(truth, aid, 0.5), "tuned")
    slope = np.cov(truth, aid)[0, 1] / np.var(aid, ddof=1)
    assert found.coefficients == pytest.approx(np.array([[slope]]))
    assert found.value == pytest.approx([0.25 + slope * (0.5 - 0.25)])


def test_a_tuned_factor_stays_within_0_and_1():
    opposite = assist(points_of([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1, 1, 1, 1], 0.3), "tuned")
    assert opposite.coefficients == 0
    assert opposite.value == pytest.approx(opposite.plain_value)
    doubled = assist(points_of([1, 1, 1, 1, 1, 0, 0, 0, 0, 0], [0.5] * 5 + [0] * 5, 0.3), "tuned")
    assert doubled.coefficients == 1


def test_the_coefficients_of_a_point_come_from_the_others():
    # two strata of 0.7 and 0.3 of the area, 6 and 4 points
    design = Design(np.array([0.7, 0.3]), np.array([6.0, 4.0]), np.zeros(2))
    stratum = np.repeat([0, 1], [6, 4])
    truth, aid = np.array([1, 1, 0, 0, 1, 0, 1, 0, 0, 0.0]), np.array([1, 0.5, 0.5, 0, 1, 0, 0.5, 1, 0, 0.0])
    points = LabelledPoints(truth[:, None], aid[:, None], np.array([0.4]), stratum, design)
    y, x, spread = points.centered(points.truth)[:, 0], points.centered(points.aid)[:, 0], points.spread
    share = np.repeat([0.7 / 6, 0.3 / 4], [6, 4])

    def slope(used):
        return (spread * x * y)[used].sum() / (spread * x**2)[used].sum()

    of_others = [y[i] - x[i] * slope(np.arange(10) != i) for i in range(10)]
    plain = share @ truth + slope(slice(None)) * (0.4 - share @ aid)
    assert assist(points, "regression").value == pytest.approx([plain + share @ of_others])
    assert abs(share @ of_others) > 1e-3


def test_an_aid_that_is_the_truth_leaves_no_error():
    truth = [1, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 1]
    for way in ("difference", "tuned", "regression"):
        found = assist(points_of(truth, truth, 0.37), way)
        assert found.value == pytest.approx([0.37])
        assert found.se == pytest.approx([0], abs=1e-12)


def test_an_aid_without_a_difference_leaves_the_plain_estimate():
    for way in ("tuned", "regression"):
        found = assist(points_of([1, 0, 1, 0, 0, 0], [0.2] * 6, 0.2), way)
        assert found.value == pytest.approx(found.plain_value)
        assert found.se == pytest.approx(found.plain_se)


def test_a_column_that_varies_among_few_points_is_not_used():
    truth, aid = [1] + [0] * 39, [1] + [0] * 39
    assert FEWEST_EFFECTIVE > 1
    found = assist(points_of(truth, aid, 0.5), "regression")
    assert found.coefficients == 0
    assert found.se == pytest.approx(found.plain_se)


def test_regression_on_a_second_map_is_poststratification():
    rng = np.random.default_rng(3)
    column = rng.integers(0, 3, 90)
    truth = (rng.random(90) < np.array([0.1, 0.5, 0.8])[column]).astype(float)
    shares = np.array([0.5, 0.2, 0.3])
    design = Design(np.ones(1), np.array([90.0]), np.zeros(1))
    both = np.stack([truth, 1 - truth], axis=1)
    found = assist(LabelledPoints(both, np.eye(3)[column], shares, np.zeros(90, int), design))
    means = np.array([truth[column == k].mean() for k in range(3)])
    assert found.value[0] == pytest.approx(shares @ means)
    assert found.value.sum() == pytest.approx(1)
    poststratified = assess_map(
        Survey(np.array([np.diag([(truth[column == k] == v).sum() for v in (1, 0)]) for k in range(3)]), shares), NORMAL
    )
    assert found.value == pytest.approx(poststratified.area.value)
    assert found.se == pytest.approx(poststratified.area.se, rel=0.06)


def test_the_plain_estimate_is_that_of_the_survey():
    truth, stratum = [1, 1, 0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1, 1]
    found = assist(points_of(truth, truth, 0.4, stratum=stratum, weights=[0.3, 0.7]), "difference")
    survey = Survey(np.array([[[2, 0], [0, 2]], [[1, 0], [0, 4]]]), np.array([3.0, 7.0]))
    plain = assess_map(survey, NORMAL).area
    assert found.plain_value[0] == pytest.approx(plain.value[0])
    assert found.plain_se[0] == pytest.approx(plain.se[0])


# Two strata of 4 and 5 units, as (truth, aid)
POPULATION = [[(1, 1), (0, 1), (0, 0), (1, 0.5)], [(0, 0), (1, 0.7), (0, 0.2), (0, 0), (1, 1)]]


def test_a_difference_and_its_variance_are_unbiased_over_all_samples_of_a_population():
    every = [unit for units in POPULATION for unit in units]
    truth, known = np.mean([y for y, _ in every]), float(np.mean([x for _, x in every]))
    found = []
    for first, second in itertools.product(itertools.combinations(POPULATION[0], 2),
                                           itertools.combinations(POPULATION[1], 3)):  # fmt: skip
        y, x = zip(*first, *second, strict=True)
        points = points_of(list(y), list(x), known, stratum=[0, 0, 1, 1, 1], weights=[4 / 9, 5 / 9], units=[4, 5])
        found.append(assist(points, "difference"))
    values = np.array([f.value[0] for f in found])
    assert len(found) == 60
    assert values.mean() == pytest.approx(truth)
    assert np.mean([f.se[0] ** 2 for f in found]) == pytest.approx(values.var())


@pytest.mark.parametrize("way", ["difference", "tuned", "regression"])
def test_a_good_aid_is_worth_points_and_its_intervals_hold(way: str):
    rng = np.random.default_rng(8)
    held, effects = 0, []
    for _ in range(300):
        truth = rng.random(120) < 0.3
        aid = np.where(rng.random(120) < 0.1, ~truth, truth)
        points = points_of(truth.tolist(), aid.tolist(), 0.3 * 0.9 + 0.7 * 0.1)
        found = assist(points, way)
        counts = np.diag([truth.sum(), 120 - truth.sum()])[None]
        plain = assess_map(Survey(counts, np.ones(1)), NORMAL).area
        one = type(plain)(*(getattr(plain, part)[:1] for part in ("value", "se", "low", "high")))
        ends = assisted_ends(one, found, level=0.95)
        held += ends.low[0] <= 0.3 <= ends.high[0]
        effects.append(design_effect(found.se, found.plain_se)[0])
    assert held / 300 > 0.92
    assert np.mean(effects) < 0.6


def test_a_zone_is_a_part_of_the_whole():
    """Zones of two halves, each with its own aid, add up to the estimate of the whole."""
    truth, aid = np.array([1, 0, 1, 1, 0, 0, 1, 0.0]), np.array([1, 0, 1, 0, 0, 1, 1, 0.0])
    west = np.array([1, 1, 1, 1, 0, 0, 0, 0.0])
    design = Design(np.ones(1), np.array([8.0]), np.zeros(1))
    values = []
    for zone, known in ((west, 0.3), (1 - west, 0.25)):
        points = LabelledPoints((truth * zone)[:, None], (aid * zone)[:, None], np.array([known]),
                                np.zeros(8, int), design)  # fmt: skip
        values.append(assist(points, "difference").value[0])
    assert sum(values) == pytest.approx(assist(points_of(truth.tolist(), aid.tolist(), 0.55), "difference").value[0])


def test_what_a_melded_interval_adds_is_kept():
    points = points_of([1] * 30 + [0] * 70, [0.9] * 30 + [0.1] * 70, 0.34)
    found = assist(points, "difference")
    plain = assess_map(Survey(np.diag([30, 70])[None], np.ones(1)), IntervalRule(draws=2000)).area
    wide = type(plain)(found.plain_value, found.plain_se, found.plain_value - 0.2, found.plain_value + 0.3)
    ends = assisted_ends(wide, found, level=0.95)
    assert ends.low[0] == pytest.approx(found.value[0] - 0.2 + 1.96 * found.plain_se[0] - 1.984 * found.se[0], abs=1e-3)
    assert ends.high[0] == pytest.approx(
        found.value[0] + 0.3 - 1.96 * found.plain_se[0] + 1.984 * found.se[0], abs=1e-3
    )


def test_a_stratum_of_one_point_is_refused():
    with pytest.raises(InputError, match="stratum 1 has fewer than 2 points"):
        points_of([1, 0, 1], [1, 0, 1], 0.5, stratum=[0, 0, 1], weights=[0.5, 0.5])


def test_an_aid_with_a_gap_is_refused():
    with pytest.raises(InputError, match="no value at some point"):
        points_of([1, 0], [1, np.nan], 0.5)


def test_a_second_map_without_an_error_at_the_points_still_has_an_interval():
    truth = [1] * 20 + [0] * 80
    points = points_of(truth, truth, 0.3)
    melded = gap_ends(points, IntervalRule(draws=4000))
    assert melded.value == pytest.approx([0.3])
    assert melded.se == 0
    # up to 1 - 0.025 ** (1 / 100) = 0.036 may have been missed, and as much wrongly mapped
    assert [melded.low[0], melded.high[0]] == pytest.approx([0.264, 0.336], abs=0.004)


def test_a_stratum_of_one_unit_that_was_drawn_has_no_error():
    points = points_of(
        [1, 1, 0, 1, 0], [1, 0, 0, 1, 0], 0.5, stratum=[0, 1, 1, 1, 1], weights=[0.2, 0.8], units=[1, 99]
    )
    found = assist(points, "difference")
    assert found.plain_value == pytest.approx([0.2 + 0.8 * 0.5])
    assert found.plain_se == pytest.approx([0.8 * np.sqrt(1 / 3 / 4 * 95 / 99)])
