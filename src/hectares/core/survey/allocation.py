"""How many points of a reference sample each stratum gets."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hectares.core.scoring.scores import FloatArray
from hectares.core.survey.estimators import LEAST_POINTS, Survey
from hectares.errors import ConfigError

IntArray = NDArray[np.int64]
_ROUNDS = 2000
_CLOSE = 1e-9


def _taking(strata: int, low: float, high: float) -> str:
    """Say how many points strata take.

    >>> _taking(3, 6, 40), _taking(1, 25, 25)
    ('3 strata, which take 6 to 40', '1 stratum, which takes 25')
    """
    take = f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
    return f"1 stratum, which takes {take}" if strata == 1 else f"{strata} strata, which take {take}"


def allocate(
    points: int, pull: FloatArray, *, least: int | IntArray = LEAST_POINTS, most: NDArray[np.number] | None = None
) -> IntArray:
    """Share out points among strata in proportion to `pull` (H,), none getting fewer than `least` or more than `most`.

    Pull is the area of a stratum for a proportional allocation, 1 for an equal one, and area times standard deviation
    for Neyman's, which gives the smallest standard error for the number of points (`class_deviations` has them).
    `most` is the number of units of each stratum, if it is small.

    Source: Neyman 1934, Journal of the Royal Statistical Society 97; Cochran 1977, Sampling Techniques, chapter 5.

    >>> allocate(100, np.array([1.0, 9.0, 90.0])), allocate(100, np.array([1.0, 9.0, 90.0]), least=20)
    (array([ 2,  9, 89]), array([20, 20, 60]))
    >>> allocate(90, np.ones(3), most=np.array([10, 100, 100]))
    array([10, 40, 40])
    """
    if not (np.isfinite(pull) & (pull >= 0)).all():
        raise ConfigError(f"areas and deviations of strata must be 0 or more, got {pull.tolist()}")
    high = np.full(len(pull), float(points)) if most is None else np.asarray(most, np.float64)
    low = np.minimum(np.broadcast_to(np.asarray(least, np.float64), pull.shape), high)
    if not low.sum() <= points <= high.sum():
        raise ConfigError(
            f"{points} points do not fit {_taking(len(pull), low.sum(), high.sum())}; "
            "change the size of the sample or its least number of points a stratum"
        )
    # bounded shares are clip(scale * pull): the sum grows with the scale, so that halving finds it
    pull = np.where(pull > 0, pull, pull[pull > 0].min(initial=1) * _CLOSE)
    lowest, highest = 0.0, float((high / pull).max())
    for _ in range(200):
        middle = (lowest + highest) / 2
        enough = np.clip(middle * pull, low, high).sum() >= points
        lowest, highest = (lowest, middle) if enough else (middle, highest)
    return _round_to(points, np.clip(highest * pull, low, high), high)


def class_deviations(shares: FloatArray) -> FloatArray:
    """(H, K) standard deviation of 'is this class' among the points of a stratum, from assumed shares (H, K).

    >>> class_deviations(np.array([[0.9, 0.1], [0.5, 0.5]])).round(2).tolist()
    [[0.3, 0.3], [0.5, 0.5]]
    """
    return np.asarray(np.sqrt(np.clip(shares * (1 - shares), 0, None)), np.float64)


def shares_from_users_accuracy(users: FloatArray, mapped_m2: FloatArray) -> FloatArray:
    """Assume what the map classes hold (K, K), mapped class in rows, from user's accuracies (K,) one expects.

    What is wrong within a class is taken to be the other classes, in proportion to their mapped area.

    >>> shares_from_users_accuracy(np.array([0.8, 0.9, 1.0]), np.array([10.0, 30.0, 60.0])).round(3).tolist()
    [[0.8, 0.067, 0.133], [0.014, 0.9, 0.086], [0.0, 0.0, 1.0]]
    """
    others = np.where(np.eye(len(users), dtype=bool), 0.0, mapped_m2)
    total = others.sum(axis=1, keepdims=True)
    others = np.divide(others, total, out=np.zeros_like(others), where=total > 0)
    return np.asarray(np.diag(users) + others * (1 - users)[:, None])


def shares_from_survey(survey: Survey) -> FloatArray:
    """Learn what the strata hold (H, K) from a first round, of whole strata.

    A class not seen in a stratum may still be there: one point more is shared out as the classes are in the whole area.

    >>> first = Survey.of_map_classes(np.array([[9, 0], [1, 8]]), np.array([50.0, 50.0]))
    >>> shares_from_survey(first).round(3).tolist()
    [[0.956, 0.044], [0.156, 0.844]]
    """
    counts = survey.counts.sum(axis=1, dtype=np.float64)
    n = counts.sum(axis=1, keepdims=True)
    whole = survey.weights @ (counts / np.maximum(n, 1))
    return np.asarray((counts + whole / whole.sum()) / (n + 1))


def half_width(
    points: NDArray[np.number],
    shares: FloatArray,
    areas_m2: FloatArray,
    *,
    level: float = 0.95,
    units: NDArray[np.number] | None = None,
) -> FloatArray:
    """(K,) half of the expected normal interval of each class's area, as a share of that area.

    >>> half_width(np.array([50, 50]), np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([1.0, 1.0])).round(3).tolist()
    [0.118, 0.118]
    """
    load = _load(shares, areas_m2, level)
    left = 1 / points if units is None else 1 / points - 1 / units
    return np.asarray(np.sqrt(left @ load))


def points_for_target(
    targets: FloatArray,
    shares: FloatArray,
    areas_m2: FloatArray,
    *,
    level: float = 0.95,
    least: int | IntArray = LEAST_POINTS,
    units: NDArray[np.number] | None = None,
) -> IntArray:
    """Give the fewest points per stratum (H,) that reach the target precision of every class.

    `targets` (K,) is half of the interval of a class's area as a share of that area: 0.05 for +- 5 %; NaN or infinite
    where there is none. `shares` (H, K) is what the strata hold, assumed or from a first round. With the points of a
    first round in `least` (H,), the result less these is how many more are needed. The plan is for the normal interval;
    a class rare enough for the other to be longer needs more.

    Source: Bethel 1989, Survey Methodology 15; Chromy 1987, Proceedings of the Section on Survey Research Methods.

    >>> shares, areas_m2 = np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([1.0, 1.0])
    >>> needed = points_for_target(np.array([0.05, np.nan]), shares, areas_m2)
    >>> needed, half_width(needed, shares, areas_m2).round(3)
    (array([277, 277]), array([0.05, 0.05]))
    """
    wanted = np.isfinite(targets)
    if not wanted.any() or not (targets[wanted] > 0).all():
        raise ConfigError(f"a target is the half-width of an interval as a share of the area, got {targets.tolist()}")
    load = _load(shares, areas_m2, level)[:, wanted] / targets[wanted] ** 2
    if not np.isfinite(load).all():
        raise ConfigError("a class with a target has no area in the assumed shares; give it some, or drop its target")
    room = np.ones(wanted.sum()) + (0.0 if units is None else (load / np.asarray(units)[:, None]).sum(axis=0))
    low = np.broadcast_to(np.asarray(least, np.float64), areas_m2.shape)
    most = np.full(len(low), np.inf) if units is None else np.asarray(units, np.float64)
    census = np.zeros(len(low), bool)  # strata taken whole leave nothing: the others reach the target without them
    found = _at_least(low, census, most, load, room)
    while (over := ~census & (found > most)).any():
        census = census | over
        found = _at_least(low, census, most, load, room)
    whole = np.ceil(found - 1e-6).astype(np.int64)
    return whole if units is None else np.minimum(whole, np.asarray(units, np.int64))


def _load(shares: FloatArray, areas_m2: FloatArray, level: float) -> FloatArray:
    """(H, K) what one point in a stratum leaves of the squared relative half-width of a class."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    area = areas_m2 @ shares
    part = areas_m2[:, None] * class_deviations(shares)
    relative = np.divide(part, area, out=np.full_like(part, np.inf), where=area > 0)
    return np.asarray((z * relative) ** 2)


def _at_least(
    low: FloatArray, census: NDArray[np.bool_], most: FloatArray, load: FloatArray, room: FloatArray
) -> FloatArray:
    """(H,) the fewest points, none below `low`, with a census taken where it says so."""
    found, fixed = np.where(census, most, low), census.copy()
    while not fixed.all():
        left = room - (load[fixed] / found[fixed, None]).sum(axis=0)
        found[~fixed] = _fewest(load[~fixed] / left)
        short = ~fixed & (found < low)
        found[short], fixed = low[short], fixed | short
        if not short.any():
            break
    return found


def _fewest(load: FloatArray) -> FloatArray:
    """(H,) points with the smallest sum for which (load / points).sum(axis=0) is nowhere above 1."""
    points = np.zeros(len(load))
    if not load.any():
        return points
    share = np.full(load.shape[1], 1 / load.shape[1])
    for _ in range(_ROUNDS):
        root = np.sqrt(load @ share)
        points = root * root.sum()
        reached = np.divide(load, points[:, None], out=np.zeros_like(load), where=points[:, None] > 0).sum(axis=0)
        if reached.max() <= 1 + _CLOSE and abs(share @ reached - 1) < _CLOSE and np.ptp(reached[share > _CLOSE]) < 1e-6:
            break
        share = share * reached**2
        share = share / share.sum()
    return np.asarray(points * max(float(reached.max()), 0.0))


def _round_to(points: int, exact: FloatArray, high: FloatArray) -> IntArray:
    """Whole numbers of the given sum, by largest remainders."""
    whole = np.floor(exact + _CLOSE)
    missing = round(points - whole.sum())
    open_ = np.flatnonzero(whole < high)
    first = open_[np.argsort(-(exact - whole)[open_], kind="stable")]
    whole[first[:missing]] += 1
    return whole.astype(np.int64)
