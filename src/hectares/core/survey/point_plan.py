"""How many points each stratum of a map gets, for a number of points or for a precision that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hectares.core.scoring.scores import FloatArray
from hectares.core.survey.allocation import (
    allocate,
    class_deviations,
    half_width,
    points_for_target,
    shares_from_users_accuracy,
)
from hectares.core.survey.estimators import LEAST_POINTS
from hectares.errors import ConfigError

IntArray = NDArray[np.int64]
LEAST_BY_SIZE, LEAST_BY_TARGET = 50, 30
"""Points of a stratum at least, unless something else is asked for: what is usual for rare classes, and what leaves
the normal interval that targets are planned with some meaning."""


@dataclass(frozen=True, eq=False)
class Population:
    """What points are drawn from, by stratum: a class of the map, or a class within a zone; (H,) each."""

    zone: IntArray
    """Number of the zone, from 0."""
    mapped: IntArray
    """Index of the class."""
    areas_m2: FloatArray
    units: IntArray
    """Pixels; 0 where no point can be drawn."""
    classes: int

    @property
    def open(self) -> NDArray[np.bool_]:
        """(H,) strata that points can be drawn from."""
        return self.units > 0

    def by_zone(self) -> Iterator[IntArray]:
        """Give the places of the open strata of each zone that has any."""
        for zone in np.unique(self.zone[self.open]):
            yield np.flatnonzero(self.open & (self.zone == zone))


def expected_shares(population: Population, users: FloatArray) -> FloatArray:
    """Assume what the strata hold (H, K) from the user's accuracies (K,) one expects, zone by zone.

    >>> two = Population(np.array([0, 0]), np.array([0, 1]), np.array([1.0, 3.0]), np.array([10, 30]), 2)
    >>> expected_shares(two, np.array([0.8, 0.9])).tolist()
    [[0.8, 0.19999999999999996], [0.09999999999999998, 0.9]]
    """
    shares = np.zeros((len(population.zone), population.classes))
    for places in population.by_zone():
        m2 = np.zeros(population.classes)
        np.add.at(m2, population.mapped[places], population.areas_m2[places])
        shares[places] = shares_from_users_accuracy(users, m2)[population.mapped[places]]
    return shares


def points_by_size(
    population: Population, size: int, shares: FloatArray, allocation: str, *, least: int | None, before: IntArray
) -> IntArray:
    """Share out `size` points among the strata (H,), on top of those drawn `before` (H,).

    >>> two = Population(np.array([0, 0]), np.array([0, 1]), np.array([10.0, 90.0]), np.array([100, 900]), 2)
    >>> points_by_size(two, 100, np.eye(2), "proportional", least=20, before=np.zeros(2, np.int64))
    array([20, 80])
    """
    open_ = population.open
    total = size + int(before.sum())
    if least is None:
        least = max(LEAST_POINTS, min(LEAST_BY_SIZE, total // (2 * int(open_.sum()))))
    right = shares[np.arange(len(shares)), population.mapped]
    pull = {
        "proportional": population.areas_m2,
        "equal": np.ones(len(right)),
        "neyman": population.areas_m2 * class_deviations(right),
    }[allocation]
    points = np.zeros(len(right), np.int64)
    floor = np.maximum(before, np.minimum(least, population.units))[open_]
    points[open_] = allocate(total, pull[open_], least=floor, most=population.units[open_])
    return points


def points_by_target(
    population: Population,
    targets: FloatArray,
    shares: FloatArray,
    *,
    level: float,
    least: int | None,
    before: IntArray,
) -> IntArray:
    """Give the fewest points (H,) that reach the targets (K,) in every zone whose map shows the class.

    `targets` are half-widths of intervals as shares of the area of a class, NaN where there is none. Points drawn
    `before` (H,) are among those given. Raises ConfigError for a class that no open stratum shows.
    """
    least = LEAST_BY_TARGET if least is None else least
    points = before.copy()
    for places in population.by_zone():
        shown = np.isin(np.arange(population.classes), population.mapped[places])
        wanted = np.where(shown, targets, np.nan)
        floor = np.maximum(before[places], np.minimum(least, population.units[places]))
        points[places] = floor
        if np.isfinite(wanted).any():
            points[places] = points_for_target(
                wanted, shares[places], population.areas_m2[places],
                level=level, least=floor, units=population.units[places],
            )  # fmt: skip
    absent = np.isfinite(targets) & ~np.isin(np.arange(population.classes), population.mapped[population.open])
    if absent.any():
        raise ConfigError(f"class index {np.flatnonzero(absent)[0]} has a target, but no point can be drawn from it")
    return points


def expected_precision(population: Population, points: IntArray, shares: FloatArray, *, level: float) -> FloatArray:
    """(H,) half of the interval expected for the area of the class of each stratum in its zone, as a share of it.

    NaN where no point is drawn. What is expected is as good as the shares it is made of.
    """
    found = np.full(len(points), np.nan)
    for places in population.by_zone():
        mapped = population.mapped[places]
        drawn, units = points[places], population.units[places]
        areas, share = population.areas_m2[places], shares[places]
        shown = np.unique(mapped)
        half = dict(zip(shown, half_width(drawn, share[:, shown], areas, level=level, units=units), strict=True))
        found[places] = [half[k] for k in mapped]
    return found
