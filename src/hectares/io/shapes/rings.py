"""Rings of polygons in pixels, millions at a time: which are none, and their boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAX_OUTLINE_PX = 5e6
"""Length of the longest ring: pycocotools walks along it in steps of a fifth of a pixel."""


@dataclass(frozen=True)
class Rings:
    """Points of many rings in one array."""

    points: NDArray[np.float64]
    """x and y (n, 2), pixels from the upper left corner."""
    ends: NDArray[np.int64]
    """Ring r has the points from ends[r] to ends[r + 1]; none is empty."""

    def __len__(self) -> int:
        return len(self.ends) - 1


def rings_of(first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the rings of groups that have `count` rings each, from `first` on.

    >>> rings_of(np.array([7, 2, 3]), np.array([2, 0, 3])).tolist()
    [7, 8, 3, 4, 5]
    """
    return np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())


def ring_boxes(rings: Rings, first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give x, y, width and height (n, 4) of groups of rings that follow each other; every count is at least 1.

    >>> rings = Rings(np.array([[1.0, 2], [5, 2], [5, 4], [0, 9], [1, 9], [1, 8]]), np.array([0, 3, 6]))
    >>> ring_boxes(rings, np.array([0, 0]), np.array([1, 2])).tolist()
    [[1.0, 2.0, 4.0, 2.0], [0.0, 2.0, 5.0, 7.0]]
    """
    if not len(first):
        return np.zeros((0, 4))
    bounds = np.stack([rings.ends[first], rings.ends[first + count]], axis=1).ravel()
    points = np.concatenate([rings.points, rings.points[-1:]])  # so that a bound may be the end
    low = np.minimum.reduceat(points, bounds)[::2]
    high = np.maximum.reduceat(points, bounds)[::2]
    return np.concatenate([low, high - low], axis=1)


def ring_faults(rings: Rings, sizes: NDArray[np.int64]) -> list[tuple[int, str]]:
    """Say which rings are no polygons, on images of (height, width) each (n, 2), and why; one reason a ring.

    >>> rings = Rings(np.array([[1.0, 1], [5, 1], [5, 4], [0, 9], [1, 9], [0, 9]]), np.array([0, 3, 6]))
    >>> ring_faults(rings, np.array([[10, 10], [10, 10]]))
    [(1, 'has 2 distinct point(s); a polygon has at least 3')]
    """
    if not len(rings):
        return []
    faults: dict[int, str] = {}
    for where, what in _reasons(rings.points, rings.ends[:-1], np.diff(rings.ends), sizes):
        faults = {int(r): what(int(r)) for r in np.flatnonzero(where)} | faults
    return sorted(faults.items())


_Reason = tuple[NDArray[np.bool_], Callable[[int], str]]


def _reasons(
    points: NDArray[np.float64], starts: NDArray[np.int64], counts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> list[_Reason]:
    """Say for each ring what is wrong with it, in the order of precedence."""
    infinite = np.logical_or.reduceat(~np.isfinite(points).all(axis=1), starts)
    if infinite.any():
        points = np.where(np.isfinite(points), points, 0.0)
    low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    beyond = (high <= 0) | (low >= sizes[:, ::-1])
    outside = beyond[:, 0] | beyond[:, 1]
    distinct, outline = _distinct_points(points, starts, counts), _outline(points, starts, counts)
    return [
        (infinite, lambda _: "holds a number that is not finite"),
        (distinct < 3, lambda r: f"has {distinct[r]} distinct point(s); a polygon has at least 3"),
        (
            outside,
            lambda r: (
                f"lies wholly outside of its image: x {low[r, 0]:g} to {high[r, 0]:g}, y {low[r, 1]:g} to "
                f"{high[r, 1]:g} in {sizes[r, 1]} x {sizes[r, 0]} px (width x height)"
            ),
        ),
        (outline > _MAX_OUTLINE_PX, lambda r: f"is {outline[r]:.3g} px long; expected at most {_MAX_OUTLINE_PX:.0e}"),
    ]


def _outline(points: NDArray[np.float64], starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the length of each closed ring, the longer of both axes a step."""
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.abs(np.diff(points, axis=0, append=points[-1:])).max(axis=1)
        steps[starts[1:] - 1] = 0
        outline: NDArray[np.float64] = np.add.reduceat(steps, starts)
        outline += np.abs(points[starts + counts - 1] - points[starts]).max(axis=1)
        return outline


def _distinct_points(
    points: NDArray[np.float64], starts: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count the distinct points of each ring, up to 3."""
    other = (points != np.repeat(points[starts], counts, axis=0)).any(axis=1)
    end = len(points)
    second = np.minimum.reduceat(np.where(other, np.arange(end), end), starts)
    second = np.where(second == end, starts, second)
    third = other & (points != np.repeat(points[second], counts, axis=0)).any(axis=1)
    some, more = np.logical_or.reduceat(other, starts), np.logical_or.reduceat(third, starts)
    return 1 + some.astype(np.int64) + more
