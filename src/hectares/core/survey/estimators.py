"""Areas and accuracies of a map, estimated from a stratified reference sample, with standard errors and intervals.

A point has a stratum, a class on the map and a class in the reference. All estimates are ratios of areas estimated
from such points, so one estimator and one variance serve all of them. Strata weigh as much as their true area; within
a stratum points are drawn at random, in proportion to area, so that a count of points is a measure of area.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hectares.core.scoring.scores import FloatArray
from hectares.core.survey.intervals import Design, IntervalRule, Tally, melded_ends, normal_ends
from hectares.errors import InputError

LEAST_POINTS = 2
"""With fewer points in a stratum there is no variance, and so no standard error; but a stratum may be of one unit."""


@dataclass(frozen=True, eq=False)
class Survey:
    """A labelled reference sample, counted.

    `counts` (H, K, K) are the points of each stratum by mapped class (rows) and reference class (columns).
    `areas_m2` (H,) are the true areas of the strata. `drawn` (H,) is given for a zone that cuts across strata: all
    points of the stratum, while `counts` has those in the zone only. `units` (H,) is the number of units (pixels) of
    each stratum, if the sample is large enough to take note of it (finite population correction). `mapped` (H, K)
    says which classes the map shows in a stratum; all, if not given.
    """

    counts: NDArray[np.number]
    areas_m2: FloatArray
    drawn: NDArray[np.number] | None = None
    units: NDArray[np.number] | None = None
    mapped: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        strata = len(self.areas_m2)
        if self.counts.ndim != 3 or self.counts.shape != (strata, self.classes, self.classes):
            raise ValueError(f"counts must be ({strata} strata, K mapped, K reference), got {self.counts.shape}")
        _refuse(~(np.isfinite(self.areas_m2) & (self.areas_m2 >= 0)), "has no area", "give areas in m2")
        inside = self.counts.sum(axis=(1, 2))
        negative = np.asarray((self.counts < 0).any(axis=(1, 2)))
        _refuse(negative, "has a negative count", "count points")
        _refuse(self.points < inside, "has more labelled points than were drawn", "count each point once")
        whole = False if self.units is None else (self.points >= self.units) & (self.points > 0)
        few = (self.points < LEAST_POINTS) & (self.areas_m2 > 0) & ~np.asarray(whole)
        _refuse(few, f"has fewer than {LEAST_POINTS} points", "label more points there, or merge it with another")
        _refuse((self.points > 0) & (self.areas_m2 == 0), "has points but no area", "use the map of the draw")
        unseen = (self.counts.sum(axis=2) > 0) & ~self.on_map
        _refuse(unseen.any(axis=1), "has points of a class its map does not show", "use the map of the draw")
        if self.units is not None:
            _refuse(self.points > self.units, "has more points than units", "draw each unit once")
        if not self.areas_m2.sum() > 0:
            raise InputError("no stratum has an area; give areas in m2")

    @staticmethod
    def of_map_classes(
        counts: NDArray[np.number], mapped_m2: FloatArray, *, units: NDArray[np.number] | None = None
    ) -> Survey:
        """Count a sample whose strata are the map classes; `counts` (K, K) has them in rows, the reference in columns.

        >>> Survey.of_map_classes(np.array([[8, 2], [1, 9]]), np.array([100.0, 300.0])).weights
        array([0.25, 0.75])
        """
        classes = len(counts)
        cube = np.zeros((classes, classes, classes))
        cube[np.arange(classes), np.arange(classes)] = counts
        return Survey(cube, mapped_m2, units=units, mapped=np.eye(classes, dtype=bool))

    @property
    def classes(self) -> int:
        """Number of classes, K."""
        return int(self.counts.shape[-1])

    @property
    def points(self) -> FloatArray:
        """(H,) points drawn in each stratum."""
        drawn = self.counts.sum(axis=(1, 2)) if self.drawn is None else self.drawn
        return np.asarray(drawn, np.float64)

    @property
    def weights(self) -> FloatArray:
        """(H,) share of each stratum in the area."""
        return np.asarray(self.areas_m2 / self.areas_m2.sum(), np.float64)

    @property
    def on_map(self) -> NDArray[np.bool_]:
        """(H, K) whether the map shows a class in a stratum."""
        return np.ones(self.counts.shape[:2], bool) if self.mapped is None else self.mapped

    @property
    def design(self) -> Design:
        """How the points were drawn, strata without area left out."""
        fraction = np.zeros(len(self.areas_m2)) if self.units is None else self.points / np.maximum(self.units, 1)
        kept = self.areas_m2 > 0
        return Design(self.weights[kept], self.points[kept], fraction[kept])


@dataclass(frozen=True, eq=False)
class Estimate:
    """Estimated shares with standard errors and the ends of their intervals, (S,) each; NaN where undefined."""

    value: FloatArray
    se: FloatArray
    low: FloatArray
    high: FloatArray

    def times(self, m2: float) -> Estimate:
        """Turn shares of an area into areas, m2."""
        return Estimate(self.value * m2, self.se * m2, self.low * m2, self.high * m2)


@dataclass(frozen=True, eq=False)
class Assessment:
    """What a sample says of a map and of the place it shows, as shares of the area (of the zone, if there is one)."""

    matrix: FloatArray
    """(K, K) error matrix: share of the area mapped as the row's class that is the column's."""
    area: Estimate
    """(K,) share of the area that each class has in the reference."""
    users: Estimate
    """(K,) user's accuracy: share of what is mapped as a class that is this class."""
    producers: Estimate
    """(K,) producer's accuracy: share of a class that is mapped as this class."""
    overall: Estimate
    """(1,) overall accuracy: share of the area that is mapped as what it is."""


def assess_map(survey: Survey, rule: IntervalRule | None = None) -> Assessment:
    """Estimate areas and accuracies from a stratified sample, whatever the strata are.

    With the map classes as strata these are the estimators of Olofsson et al.; else the ratio estimators of Stehman.
    For a zone all estimates are shares of the zone, estimated as a ratio; where the areas of strata within the zone are
    known and hold enough points, count them as strata of their own instead.

    Source: Olofsson, Foody, Herold, Stehman, Woodcock and Wulder 2014, Remote Sensing of Environment 148 (the example
    is theirs: 21,158 ha of deforestation, +- 6,158 ha); Stehman 2014, International Journal of Remote Sensing 35.

    >>> counts = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
    >>> mapped_m2 = np.array([200_000, 150_000, 3_200_000, 6_450_000]) * 900.0
    >>> found = assess_map(Survey.of_map_classes(counts, mapped_m2), IntervalRule(method="normal"))
    >>> area = found.area.times(mapped_m2.sum())
    >>> round(area.value[0] / 1e4), round(1.96 * area.se[0] / 1e4), found.overall.value.round(2)
    (21158, 6158, array([0.95]))
    """
    rule = rule or IntervalRule()
    every = ratio_tally(survey, "overall")
    weight = _per_point(survey)
    matrix = np.tensordot(weight, survey.counts.astype(np.float64), axes=1)
    total = float(weight @ survey.counts.sum(axis=(1, 2)))
    return Assessment(
        matrix / total if total > 0 else np.full_like(matrix, np.nan),
        estimate_ratios(ratio_tally(survey, "area"), survey.design, rule),
        estimate_ratios(ratio_tally(survey, "users"), survey.design, rule),
        estimate_ratios(ratio_tally(survey, "producers"), survey.design, rule),
        estimate_ratios(every, survey.design, rule),
    )


def bound_shares(survey: Survey, missing: NDArray[np.number]) -> tuple[FloatArray, FloatArray]:
    """(K,) each: share of the area a class has if none of the points without a label is of it, and if all are.

    `missing` (H,) are the points of each stratum without a label, which `survey` does not count. No interval: the range
    of the estimate itself.

    Source: Manski 2003, Partial Identification of Probability Distributions, chapter 1 (worst-case bounds).

    >>> survey = Survey.of_map_classes(np.array([[8, 1], [1, 9]]), np.array([50.0, 50.0]))
    >>> [share.round(2).tolist() for share in bound_shares(survey, np.array([1, 0]))]
    [[0.45, 0.5], [0.5, 0.55]]
    """
    seen = survey.counts.sum(axis=1)
    drawn = np.maximum(survey.points + missing, 1)[:, None]
    return survey.weights @ (seen / drawn), survey.weights @ ((seen + np.asarray(missing)[:, None]) / drawn)


def estimate_ratios(tally: Tally, design: Design, rule: IntervalRule) -> Estimate:
    """Estimate ratios of areas with standard errors and intervals.

    R = Y / X, with Y and X the areas of hits, and of hits and misses, each the sum of weight times the mean of its
    stratum; V(R) = sum of weight^2 (1 - f) s^2 / n / X^2, with s^2 the variance of y - R x in the stratum.

    Source: Stehman 2014, International Journal of Remote Sensing 35, equations 25 and 28; Cochran 1977, Sampling
    Techniques, chapter 6.

    >>> half = Tally(np.array([[1.0]]), np.array([[1.0]]), np.array([[[True, True, False]]]))
    >>> found = estimate_ratios(half, Design(np.ones(1), np.array([2.0]), np.zeros(1)), IntervalRule())
    >>> found.value, found.se
    (array([0.5]), array([0.5]))
    """
    weights, n = design.weights, design.drawn
    hits = (tally.hit / n) @ weights
    both = ((tally.hit + tally.miss) / n) @ weights
    value = np.divide(hits, both, out=np.full(len(hits), np.nan), where=both > 0)
    r = value[:, None]
    mean = (tally.hit * (1 - r) - tally.miss * r) / n
    square = (tally.hit * (1 - r) ** 2 + tally.miss * r**2) / n
    variance = np.maximum(square - mean**2, 0) * n / np.maximum(n - 1, 1)
    spread = (variance * (1 - design.fraction) / n) @ weights**2
    se = np.divide(np.sqrt(spread), both, out=np.full(len(hits), np.nan), where=both > 0)
    if rule.method == "normal":
        return Estimate(value, se, *normal_ends(value, se, rule.level))
    return Estimate(value, se, *melded_ends(value, tally, design, rule))


def _per_point(survey: Survey) -> FloatArray:
    """(H,) share of the area that one point stands for."""
    return np.asarray(survey.weights / np.maximum(survey.points, 1))


def ratio_tally(survey: Survey, what: Literal["area", "users", "producers", "overall"]) -> Tally:
    """Count the hits and misses of one kind of ratio, for all classes; strata without area are left out."""
    kept = survey.areas_m2 > 0
    counts, shown = survey.counts[kept].astype(np.float64), survey.on_map[kept]
    right = np.diagonal(counts, axis1=1, axis2=2)
    inside = counts.sum(axis=(1, 2))[:, None]
    zone = np.full(shown.shape, survey.drawn is not None)
    never, always, other = np.zeros_like(zone), np.ones_like(zone), np.ones_like(zone)
    if survey.classes == 1:
        other = never
    mixed = shown.sum(axis=1, keepdims=True) > shown  # the map shows another class, too
    if what == "area":
        hit, whole, possible = counts.sum(axis=1), inside, (always, other, zone)
    elif what == "users":
        hit, whole, possible = right, counts.sum(axis=2), (shown, shown & other, mixed | zone)
    elif what == "producers":
        hit, whole, possible = right, counts.sum(axis=1), (shown, mixed, other | zone)
    else:
        hit, whole = right.sum(axis=1)[:, None], inside
        possible = (always[:, :1], other[:, :1], zone[:, :1])
    return Tally(hit.T, (whole - hit).T, np.stack([p.T for p in possible], axis=-1))


def _refuse(bad: NDArray[np.bool_], what: str, way_out: str) -> None:
    """Refuse strata by their place, counted from 0: names are the caller's business."""
    if bad.any():
        places = ", ".join(str(h) for h in np.flatnonzero(bad))
        raise InputError(f"stratum {places} {what}; {way_out}")
