"""Intervals: what they hold, when there are none, and that they depend on the seed alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hectares.core.scoring.bootstrap import LEAST_UNITS, Resampling, bootstrap, paired_difference
from hectares.core.scoring.scores import Marginals, overall_scores

HOW = Resampling(draws=400)


def share(sums: np.ndarray) -> np.ndarray:
    return sums[..., :1] / np.where(sums[..., 1:] == 0, np.nan, sums[..., 1:])


def units(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.binomial(100, rng.beta(6, 3, count)), np.full(count, 100)], axis=1)


def mean_iou(sums: np.ndarray) -> np.ndarray:
    return overall_scores(Marginals.of(sums.reshape(*sums.shape[:-1], 3, 3)))["mean_iou"][..., None]


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_value_is_that_of_all_units_and_lies_inside(method: str):
    sums = units(30)
    found = bootstrap(sums, share, Resampling(draws=400, method=method))
    assert found.value[0] == sums[:, 0].sum() / 3000
    assert found.low[0] < found.value[0] < found.high[0]
    assert found.units == 30


def test_fewer_units_than_ten_give_no_interval():
    found = bootstrap(units(LEAST_UNITS - 1), share, HOW)
    assert np.isfinite(found.value[0])
    assert np.isnan([found.low[0], found.high[0]]).all()
    assert np.isfinite(bootstrap(units(LEAST_UNITS), share, HOW).low[0])


def test_same_seed_gives_same_ends_and_another_seed_others():
    one, again, other = (bootstrap(units(20), share, Resampling(draws=300, seed=s)).low[0] for s in (1, 1, 2))
    assert one == again != other


def test_percentile_interval_of_units_that_are_all_alike_has_no_width():
    found = bootstrap(np.tile([3, 4], (12, 1)), share, HOW)
    assert (found.low[0], found.value[0], found.high[0]) == (0.75, 0.75, 0.75)


def test_percentile_interval_is_the_quantiles_of_sums_drawn_one_by_one():
    sums = units(15)
    rng = np.random.default_rng(0)
    weights = rng.multinomial(15, np.full(15, 1 / 15), size=400)
    slow = [share((w[:, None] * sums).sum(axis=0))[0] for w in weights]
    found = bootstrap(sums, share, Resampling(draws=400, method="percentile"))
    assert [found.low[0], found.high[0]] == pytest.approx(np.quantile(slow, (0.025, 0.975)))


def test_a_score_that_is_rarely_defined_has_no_interval():
    sums = np.zeros((20, 2))
    sums[0] = 1, 2  # in a third of the draws, the only unit with the class is not drawn
    sums[1:, 0] = 0
    found = bootstrap(np.concatenate([sums, np.zeros((20, 2))]), share, HOW)
    assert found.value[0] == 0.5
    assert found.low[0] == 0.5  # defined in more than half of them
    assert np.isnan(bootstrap(np.zeros((20, 2)), share, HOW).value[0])


def test_difference_of_a_prediction_from_itself_is_nothing():
    sums = units(20)
    found = paired_difference(sums, sums, share, HOW)
    assert (found.value[0], found.low[0], found.high[0], found.p_value[0]) == (0, 0, 0, 1)


def test_paired_difference_is_seen_where_units_differ_more_than_predictions():
    first = units(20)
    second = first - [[2, 0]]
    found = paired_difference(first, second, share, HOW)
    assert found.value[0] == pytest.approx(0.02)
    assert [found.low[0], found.high[0]] == pytest.approx([0.02, 0.02])
    assert found.p_value[0] <= 1 / 400 + 1e-9
    assert bootstrap(first, share, HOW).high[0] - bootstrap(first, share, HOW).low[0] > 0.05


def test_p_value_of_few_units_tries_every_exchange():
    first, second = np.array([[9, 10], [8, 10], [7, 10]]), np.array([[7, 10], [7, 10], [8, 10]])
    found = paired_difference(first, second, share, HOW)
    apart = abs((2 + 1 - 1) / 30)
    exchanges = [abs(sum(s * d for s, d in zip(signs, (2, 1, -1), strict=True))) / 30
                 for signs in itertools.product((1, -1), repeat=3)]  # fmt: skip
    assert found.p_value[0] == pytest.approx(np.mean([e >= apart - 1e-12 for e in exchanges]))


def test_predictions_of_other_units_cannot_be_paired():
    with pytest.raises(ValueError, match="same units"):
        paired_difference(units(3), units(4), share, HOW)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "method"), [(40, "bca"), (40, "percentile"), (100, "bca")])
def test_intervals_hold_the_true_score_about_as_often_as_they_say(count: int, method: str):
    """Units differ from each other, as scenes do: 400 surveys, of which 95 % should hold the score of all units."""
    rng = np.random.default_rng(7)

    def survey(size: int) -> np.ndarray:
        skill, mix = rng.beta(8, 2, (size, 1)), rng.dirichlet((4, 2, 1), size)
        confused = (1 - skill[:, :, None]) / 3 + skill[:, :, None] * np.eye(3)
        return rng.multinomial(2000, (mix[:, :, None] * confused).reshape(size, 9))

    truth = mean_iou(survey(40_000).sum(axis=0).astype(float))[0]
    held = 0
    for seed in range(400):
        found = bootstrap(survey(count), mean_iou, Resampling(draws=600, method=method, seed=seed))
        held += found.low[0] <= truth <= found.high[0]
    assert 0.915 <= held / 400 <= 0.98  # three standard errors are 3 %
