"""Intervals of scores, from resampling the places they were measured at.

Pixels of one scene resemble each other, so what is drawn anew is whole units: scenes, groups of them, or blocks.
Every score here follows from sums over the units, which makes a draw a weighted sum and a thousand draws one product
of matrices. All of it is a function of the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hectares.core.scoring.scores import FloatArray

Statistic = Callable[[FloatArray], FloatArray]
"""From sums (..., M) to scores (..., S)."""
Method = Literal["bca", "percentile"]

LEAST_UNITS = 10
"""With fewer units, no interval is given: it would be an ornament."""
_CHUNK = 2**22
_LEAST_DRAWS = 0.5
"""A score must be defined in this share of the draws."""
_EXCHANGES = 2000
_EXACT_UNITS = 12
"""With so many units, every exchange of two predictions is tried instead of a sample of them."""


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made."""

    draws: int = 2000
    """0 for no intervals."""
    level: float = 0.95
    method: Method = "bca"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Intervals:
    """Scores with the ends of their intervals, (S,) each; NaN ends where there is no interval."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    units: int


@dataclass(frozen=True, eq=False)
class Difference:
    """How far scores of two predictions of the same units lie apart, (S,) each: first minus second."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    """Share of exchanges of the two predictions, unit by unit, that lie at least as far apart. NaN without a score."""
    units: int


def bootstrap(sums: NDArray[np.number], statistic: Statistic, how: Resampling) -> Intervals:
    """Give scores of all units together, with intervals; `sums` (U, M) are the sums of each unit.

    `percentile` takes the quantiles of the draws; `bca` corrects them for bias and skewness.
    Source: Efron 1987, Journal of the American Statistical Association 82.

    >>> share = lambda sums: sums[..., :1] / sums[..., 1:]
    >>> found = bootstrap(np.array([[k % 5, 8] for k in range(20)]), share, Resampling(draws=500))
    >>> found.value.round(3), found.low.round(2), found.high.round(2), found.units
    (array([0.25]), array([0.16]), array([0.32]), 20)
    """
    each = sums.astype(np.float64)
    value = statistic(each.sum(axis=0))
    units = len(each)
    if units < LEAST_UNITS or not how.draws:
        nothing = np.full_like(value, np.nan)
        return Intervals(value, nothing, nothing, units)
    drawn = np.concatenate([statistic(part) for part in _draws(each, how)])
    left_out = statistic(each.sum(axis=0) - each) if how.method == "bca" else None
    low, high = _ends(drawn, value, left_out, how)
    return Intervals(value, low, high, units)


def paired_difference(
    first: NDArray[np.number], second: NDArray[np.number], statistic: Statistic, how: Resampling
) -> Difference:
    """Compare two predictions of the same units from their sums (U, M): difference, interval and p-value.

    The interval draws units, the same for both. The p-value exchanges the two predictions of units at random: were
    they equally good, that would change nothing. Source: Good 2005, Permutation, Parametric and Bootstrap Tests.
    """
    if first.shape != second.shape:
        raise ValueError(f"two predictions of the same units have sums of one shape, got {first.shape}, {second.shape}")
    length = first.shape[1]

    def apart(sums: FloatArray) -> FloatArray:
        return statistic(sums[..., :length]) - statistic(sums[..., length:])

    found = bootstrap(np.concatenate([first, second], axis=1), apart, how)
    p_value = _exchange_p(first.astype(np.float64), second.astype(np.float64), statistic, found.value, how)
    return Difference(found.value, found.low, found.high, p_value, found.units)


def _draws(each: FloatArray, how: Resampling) -> Iterator[FloatArray]:
    """Yield sums over units drawn with replacement, (draws, M) in parts."""
    rng, units = np.random.default_rng(how.seed), len(each)
    chances = np.full(units, 1 / units)
    for size in _chunks(how.draws, each.shape[1] + units):
        yield rng.multinomial(units, chances, size=size).astype(np.float64) @ each


def _chunks(total: int, width: int) -> Iterator[int]:
    step = max(1, _CHUNK // max(1, width))
    for start in range(0, total, step):
        yield min(step, total - start)


def _ends(
    drawn: FloatArray, value: FloatArray, left_out: FloatArray | None, how: Resampling
) -> tuple[FloatArray, FloatArray]:
    low, high = np.full_like(value, np.nan), np.full_like(value, np.nan)
    tails = ((1 - how.level) / 2, (1 + how.level) / 2)
    for s in range(len(value)):
        known = drawn[~np.isnan(drawn[:, s]), s]
        if np.isnan(value[s]) or len(known) < _LEAST_DRAWS * len(drawn):
            continue
        at = tails if left_out is None else _bca_tails(known, float(value[s]), left_out[:, s], tails)
        low[s], high[s] = np.quantile(known, at)
    return low, high


def _bca_tails(
    drawn: FloatArray, value: float, left_out: FloatArray, tails: tuple[float, float]
) -> tuple[float, float]:
    """Shift the two quantiles for the bias of the draws and for how the score depends on single units."""
    normal = NormalDist()
    below = float((drawn < value).mean() + (drawn == value).mean() / 2)
    rest = left_out[~np.isnan(left_out)]
    if not 0 < below < 1 or not len(rest):
        return tails
    pull = rest.mean() - rest
    spread = float((pull**2).sum()) ** 1.5
    skew = float((pull**3).sum()) / (6 * spread) if spread > 0 else 0.0
    bias = normal.inv_cdf(below)

    def moved(tail: float) -> float:
        z = bias + normal.inv_cdf(tail)
        room = 1 - skew * z
        return normal.cdf(bias + z / room) if room > 0 else tail

    return moved(tails[0]), moved(tails[1])


def _exchange_p(
    first: FloatArray, second: FloatArray, statistic: Statistic, value: FloatArray, how: Resampling
) -> FloatArray:
    units, exact = len(first), len(first) <= _EXACT_UNITS
    rng = np.random.default_rng(how.seed)
    all_sums, change = first.sum(axis=0), second - first
    as_far, tried = np.zeros(len(value)), 2**units if exact else how.draws or _EXCHANGES
    start = 0
    for size in _chunks(tried, 2 * first.shape[1] + units):
        if exact:
            numbers = np.arange(start, start + size)[:, None]
            swapped = ((numbers >> np.arange(units)) & 1).astype(np.float64)
        else:
            swapped = rng.integers(0, 2, (size, units)).astype(np.float64)
        moved = swapped @ change
        apart = statistic(all_sums + moved) - statistic(second.sum(axis=0) - moved)
        as_far += (np.abs(apart) >= np.abs(value) - 1e-12).sum(axis=0)
        start += size
    p_value = as_far / tried if exact else (as_far + 1) / (tried + 1)
    return np.where(np.isnan(value), np.nan, p_value)
