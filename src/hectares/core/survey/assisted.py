"""Areas from a sample and something known everywhere: model-assisted estimates, always beside the plain one.

What is known everywhere, an *aid*, is a second class map or the scores of a segmenter: numbers at every pixel that go
along with the reference, right or wrong. The sample says how far the aid is off on average, and the aid says what the
points missed. The estimate stays (nearly) unbiased whatever the aid is; a good one makes it shorter.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hectares.core.scoring.scores import FloatArray
from hectares.core.survey.estimators import LEAST_POINTS, Estimate
from hectares.core.survey.intervals import Design, IntervalRule, Tally, melded_gap_ends
from hectares.errors import InputError

Way = Literal["difference", "tuned", "regression"]
"""How the aid is used: as it is, scaled class by class, or all its columns together."""
FEWEST_EFFECTIVE = 2.0
"""A column of the aid that varies among fewer points than this is not used: it would fit them, and hide their error."""
_LARGEST_LEVERAGE = 0.9
_SOME = 0.1
"""A column that explains less of the variance of a class does not bound its degrees of freedom."""
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class LabelledPoints:
    """A labelled sample point by point, with an aid.

    `truth` (n, K) is 1 where a point is of a class in the reference, else 0. `aid` (n, P) is what is known everywhere,
    and `known` (P,) its mean over the whole area, every pixel weighing its area. `stratum` (n,) counts the strata of
    `design` from 0. For a part of the area, such as a zone, `truth` and `aid` are 0 outside it.
    """

    truth: FloatArray
    aid: FloatArray
    known: FloatArray
    stratum: NDArray[np.intp]
    design: Design

    def __post_init__(self) -> None:
        n = np.bincount(self.stratum, minlength=len(self.design.weights))
        few = np.flatnonzero((n < LEAST_POINTS) & ((n == 0) | (self.design.fraction < 1)))
        if few.size:
            places = ", ".join(map(str, few))
            raise InputError(f"stratum {places} has fewer than {LEAST_POINTS} points; label more there, or merge it")
        if not (np.isfinite(self.aid).all() and np.isfinite(self.known).all()):
            raise InputError("the aid has no value at some point; it must be known everywhere")
        if (n != self.design.drawn).any():
            raise ValueError(f"{n.tolist()} points in the strata, but the design says {self.design.drawn.tolist()}")

    @property
    def spread(self) -> FloatArray:
        """(n,) what the squared residual of each point adds to the variance: W^2 (1 - f) / n / (n - 1)."""
        d = self.design
        return np.asarray((d.weights**2 * (1 - d.fraction) / d.drawn / np.maximum(d.drawn - 1, 1))[self.stratum])

    def mean(self, values: FloatArray) -> FloatArray:
        """Estimate the mean over the area of what is given at the points, (n, ...) to (...)."""
        return np.asarray(np.tensordot((self.design.weights / self.design.drawn)[self.stratum], values, axes=1))

    def centered(self, values: FloatArray) -> FloatArray:
        """Subtract the mean of each stratum, (n, P)."""
        sums = np.zeros((len(self.design.weights), values.shape[1]))
        np.add.at(sums, self.stratum, values)
        return np.asarray(values - (sums / self.design.drawn[:, None])[self.stratum])


@dataclass(frozen=True, eq=False)
class Assisted:
    """Model-assisted shares of the area, beside the plain ones of the same points."""

    value: FloatArray
    se: FloatArray
    plain_value: FloatArray
    plain_se: FloatArray
    freedom: FloatArray
    """(K,) degrees of freedom of the standard errors; infinite where there is no variance."""
    coefficients: FloatArray
    """(P, K) how much of each column of the aid is believed for each class."""


def assist(points: LabelledPoints, way: Way = "regression") -> Assisted:
    """Estimate shares of the area with an aid: mean(y) + B' (known - mean(x)), means being those of the sample.

    - `difference`: B = 1, column k of the aid standing for class k. Unbiased; the prediction-powered estimate where the
      predictions are known everywhere.
    - `tuned`: B is one number for each class, from 0 to 1, which makes the variance smallest: the prediction-powered
      estimate with power tuning (PPI++). Never worse than the plain one by much.
    - `regression`: all columns together, the generalized regression (GREG) with the coefficients that make the variance
      smallest under this design. Classes share one set of columns, so that areas add up to the whole.

    The coefficients of `tuned` and `regression` come from the points that they are used on, which pulls estimates to
    one side where points are few. So each residual is divided by 1 - leverage, which makes it that of a point which the
    coefficients do not know, and the mean of those is added, as a jackknife would. The variance is that of these
    residuals, W^2 (1 - f) s^2 / n summed over strata, each times the g-weight of its point; its degrees of freedom are
    at most the number of points, less one, among which a column varies that explains some of the variance.

    Source: Cochran 1977, Sampling Techniques, chapter 7; Sarndal, Swensson and Wretman 1992, Model Assisted Survey
    Sampling, chapter 6; Rao 1994, Journal of Official Statistics 10 (optimal coefficients); Angelopoulos, Bates,
    Fannjiang, Jordan and Zrnic 2023, Science 382; Angelopoulos, Duchi and Zrnic 2023, arXiv:2311.01453 (PPI++).

    >>> truth, aid = np.array([[1.0], [0.0], [1.0], [0.0]]), np.array([[1.0], [0.0], [0.0], [0.0]])
    >>> design = Design(np.ones(1), np.array([4.0]), np.zeros(1))
    >>> found = assist(LabelledPoints(truth, aid, np.array([0.4]), np.zeros(4, int), design), "difference")
    >>> found.plain_value, found.value       # the aid says 0.4 everywhere, 0.25 at the points, which have 0.5
    (array([0.5]), array([0.65]))
    """
    y, x, c = points.centered(points.truth), _rounded(points), points.spread
    if way != "regression" and x.shape[1] != y.shape[1]:
        raise ValueError(f"{way} needs one column a class: {y.shape[1]} classes, {x.shape[1]} columns")
    plain_value, plain_se = points.mean(points.truth), np.sqrt(c @ y**2)
    short = points.known - points.mean(points.aid)
    if way == "difference":
        fitted = _Fitted(np.eye(x.shape[1]), np.zeros((1, 1)), np.zeros((1, 1)), np.full(x.shape[1], np.inf))
    elif way == "tuned":
        fitted = _tuned(x, y, points, short)
    else:
        fitted = _regression(x, y, points, short)
    coefficients = fitted.coefficients
    residuals = (y - x @ coefficients) / (1 - np.minimum(fitted.leverage, _LARGEST_LEVERAGE))
    value = plain_value + short @ coefficients + points.mean(residuals)
    se, freedom = _variance(points.centered(residuals * (1 + fitted.pull / _share(points))), points)
    freedom = _limited(freedom, fitted, x, y, points)
    return Assisted(value, se, plain_value, plain_se, freedom, coefficients)


def assisted_ends(plain: Estimate, found: Assisted, *, level: float, total: float = 1.0, most: float = 1.0) -> Estimate:
    """Give assisted estimates their ends: +- t standard errors, and what the plain interval has beyond its normal one.

    What a melded interval adds to a normal one is for errors that no point has shown. An aid fitted to the same points
    knows nothing of those, and so all of it is kept. Shares are multiplied by `total`; ends stay within 0 and `most`.

    >>> plain = Estimate(np.array([0.5]), np.array([0.1]), np.array([0.304]), np.array([0.746]))    # 0.05 above normal
    >>> half, many = np.array([0.05]), np.array([np.inf])
    >>> found = assisted_ends(plain, Assisted(np.array([0.45]), half, half, half, many, half), level=0.95)
    >>> found.low.round(3), found.high.round(3)
    (array([0.352]), array([0.598]))
    """
    value, se = found.value * total, found.se * total
    z = NormalDist().inv_cdf((1 + level) / 2)
    below = np.maximum(plain.value - plain.low - z * plain.se, 0)
    above = np.maximum(plain.high - plain.value - z * plain.se, 0)
    reach = _student(z, found.freedom) * se
    low, high = np.clip(value - reach - below, 0, most), np.clip(value + reach + above, 0, most)
    return Estimate(value, se, low, high)


def design_effect(se: FloatArray, plain_se: FloatArray) -> FloatArray:
    """Variance of an estimate over that of the plain one: 0.5 is worth twice the points. NaN where that has none.

    >>> design_effect(np.array([1.0, 1.0]), np.array([2.0, 0.0]))
    array([0.25,  nan])
    """
    plain = plain_se**2
    return np.divide(se**2, plain, out=np.full_like(plain, np.nan), where=plain > 0)


def gap_ends(points: LabelledPoints, rule: IntervalRule, *, total: float = 1.0, most: float = 1.0) -> Estimate:
    """Estimate by difference with a second map, with intervals that hold where either kind of its errors is rare.

    The columns of the aid are 0 or 1. What the aid missed and what it wrongly has are counted by stratum, and melded;
    where errors are many, the interval from their variance may be the longer one, and counts.
    """
    found = assist(points, "difference")
    d = points.design
    counts = [np.zeros((len(d.weights), points.truth.shape[1])) for _ in range(2)]
    for sums, sign in zip(counts, (1, -1), strict=True):
        np.add.at(sums, points.stratum, (points.truth - points.aid) * sign > 0.5)
    possible = np.ones((*counts[0].T.shape, 3), np.bool_)
    gap = melded_gap_ends(Tally(counts[0].T, counts[1].T, possible), d, rule)
    low, high = (points.known + end for end in gap)
    reach = _student(NormalDist().inv_cdf((1 + rule.level) / 2), found.freedom) * found.se
    low, high = np.minimum(low, found.value - reach), np.maximum(high, found.value + reach)
    low, high = np.clip(low * total, 0, most), np.clip(high * total, 0, most)
    return Estimate(found.value * total, found.se * total, low, high)


def _rounded(points: LabelledPoints) -> FloatArray:
    """The aid less its mean in each stratum, exactly 0 where it does not vary."""
    x = points.centered(points.aid)
    return np.where(np.abs(x) > _ROUNDING * np.abs(points.aid).max(axis=0, initial=0), x, 0.0)


@dataclass(frozen=True, eq=False)
class _Fitted:
    """Coefficients (P, K), and for each point and class (n or 1, K or 1) what the point had to do with them."""

    coefficients: FloatArray
    leverage: FloatArray
    """How much of its own fitted value a point is."""
    pull: FloatArray
    """How far the correction moves with what is observed at a point."""
    freedom: FloatArray
    """(P,) among how many points a column varies, less one; infinite where nothing was fitted."""


def _tuned(x: FloatArray, y: FloatArray, points: LabelledPoints, short: FloatArray) -> _Fitted:
    """One coefficient of 0 to 1 for each class."""
    c = points.spread
    square = c @ x**2
    effective = _effective(x, c)
    usable = effective > FEWEST_EFFECTIVE
    best = np.divide(c @ (x * y), square, out=np.zeros(len(square)), where=usable)
    found = np.clip(best, 0, 1)
    free = np.where((found > 0) & (found < 1), 1.0, 0.0)  # at an end, nothing was fitted
    inverse = np.divide(free, square, out=np.zeros(len(square)), where=usable)
    pull = c[:, None] * x * inverse
    return _Fitted(np.diag(found), pull * x, pull * short, np.where(free > 0, effective - 1, np.inf))


def _regression(x: FloatArray, y: FloatArray, points: LabelledPoints, short: FloatArray) -> _Fitted:
    """Coefficients of all columns that vary among enough points."""
    c = points.spread
    effective = _effective(x, c)
    used = np.flatnonzero(effective > FEWEST_EFFECTIVE)
    part = x[:, used]
    inverse = np.linalg.pinv((part.T * c) @ part, rcond=1e-10, hermitian=True)
    pull = (c[:, None] * part) @ inverse
    coefficients = np.zeros((x.shape[1], y.shape[1]))
    coefficients[used] = pull.T @ y
    leverage = (pull * part).sum(axis=1, keepdims=True)
    return _Fitted(coefficients, leverage, (pull @ short[used])[:, None], effective - 1)


def _limited(freedom: FloatArray, fitted: _Fitted, x: FloatArray, y: FloatArray, points: LabelledPoints) -> FloatArray:
    """Degrees of freedom (K,), no more than those of a column that explains some of the variance of the class."""
    c = points.spread
    explained = fitted.coefficients**2 * (c @ x**2)[:, None]
    counts = explained > _SOME * (c @ y**2)
    return np.asarray(
        np.minimum(freedom, np.where(counts, fitted.freedom[:, None], np.inf).min(axis=0, initial=np.inf))
    )


def _variance(residuals: FloatArray, points: LabelledPoints) -> tuple[FloatArray, FloatArray]:
    """(K,) standard errors from centered residuals (n, K), and their degrees of freedom.

    Source: Satterthwaite 1946, Biometrics Bulletin 2.
    """
    parts = np.zeros((len(points.design.weights), residuals.shape[1]))
    np.add.at(parts, points.stratum, points.spread[:, None] * residuals**2)
    whole = parts.sum(axis=0)
    doubt = (parts**2 / np.maximum(points.design.drawn - 1, 1)[:, None]).sum(axis=0)
    return np.sqrt(whole), np.divide(whole**2, doubt, out=np.full_like(whole, np.inf), where=doubt > 0)


def _student(z: float, freedom: FloatArray) -> FloatArray:
    """Quantiles of Student's t from that of the normal distribution.

    Source: Abramowitz and Stegun 1964, Handbook of Mathematical Functions, 26.7.5.

    >>> _student(1.959964, np.array([5.0, 30.0, np.inf])).round(2)
    array([2.57, 2.04, 1.96])
    """
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return np.asarray(z + first / freedom + second / freedom**2 + third / freedom**3)


def _effective(x: FloatArray, c: FloatArray) -> FloatArray:
    """(P,) among how many points a column varies, all of equal weight.

    Source: Kish 1965, Survey Sampling (effective number of unequal weights).
    """
    square, fourth = c @ x**2, c**2 @ x**4
    return np.divide(square**2, fourth, out=np.zeros_like(square), where=fourth > 0)


def _share(points: LabelledPoints) -> FloatArray:
    """(n, 1) the share of the area that a point stands for."""
    return np.asarray((points.design.weights / points.design.drawn)[points.stratum][:, None])
