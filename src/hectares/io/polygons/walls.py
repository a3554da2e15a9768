"""Outlines of buildings with right angles, and no wall moved farther than allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

Geometries = NDArray[np.object_]
FloatArray = NDArray[np.float64]

_SHARES = (1.0, 0.67, 0.45, 0.3)
"""How much of the allowed distance is spent on leaving out vertices and jogs before walls are set."""
_FEWEST = 5
"""Points of a closed rectangle."""
_STEP_SHARE = 0.25
"""Distances between outlines are measured at places this share of the allowed distance apart."""


@dataclass(frozen=True)
class Squared:
    """Polygons with right angles where that is possible."""

    polygons: Geometries
    moved_m: FloatArray
    """(N,) farthest distance between the new and the old outline, either way; 0 where nothing changed."""


def square_walls(polygons: Geometries, limit_m: float) -> Squared:
    """Give each polygon right angles along its main direction; coordinates are in meters.

    One that cannot be squared within `limit_m`, or not as a valid polygon, stays as it is.
    """
    result = polygons.copy()
    moved = np.zeros(len(polygons))
    for i, polygon in enumerate(polygons):
        found = _square(polygon, limit_m)
        if found is not None:
            result[i], moved[i] = found
    return Squared(result, moved)


def keep_apart(old: Geometries, new: Squared) -> Squared:
    """Take back what brings polygons into each other, the farthest moved first, until none overlap."""
    polygons, moved = new.polygons.copy(), new.moved_m.copy()
    while True:
        one, other = shapely.STRtree(polygons).query(polygons, predicate="intersects")
        pairs = np.column_stack([one, other])[one < other]
        changed = moved > 0
        pairs = pairs[changed[pairs].any(axis=1)]
        pairs = pairs[~shapely.touches(polygons[pairs[:, 0]], polygons[pairs[:, 1]])]
        if not len(pairs):
            return Squared(polygons, moved)
        first = moved[pairs[:, 0]] >= moved[pairs[:, 1]]
        back = np.unique(np.where(first, pairs[:, 0], pairs[:, 1]))
        polygons[back], moved[back] = old[back], 0


def _square(polygon: shapely.Polygon, limit_m: float) -> tuple[shapely.Polygon, float] | None:
    """Give the squared polygon with the fewest corners, and among those the one that differs least."""
    best: tuple[tuple[int, float], shapely.Polygon, float] | None = None
    for share in _SHARES:
        rough = shapely.simplify(polygon, share * limit_m)
        if rough.is_empty or (best is not None and best[0][0] == _FEWEST):
            continue
        for angle in _directions(rough):
            squared = _along(rough, angle, 2 * share * limit_m)
            if squared is None or (moved := _distance(polygon, squared, limit_m)) > limit_m:
                continue
            wrong = float(shapely.area(shapely.symmetric_difference(polygon, squared)))
            cost = int(shapely.get_num_coordinates(squared)), wrong
            if best is None or cost < best[0]:
                best = cost, squared, moved
    return None if best is None else best[1:]


def _directions(polygon: shapely.Polygon) -> list[float]:
    """Give candidates for the direction of the walls, radians in [0, π/2): of most length, and of the tightest box."""
    candidates = []
    for outline in (polygon.exterior, shapely.minimum_rotated_rectangle(polygon).exterior):
        step = np.diff(shapely.get_coordinates(outline), axis=0)
        quarter = (step[:, 0] + 1j * step[:, 1]) ** 4  # walls that stand at right angles point the same way
        total = complex((quarter / np.maximum(np.abs(quarter), 1e-12) ** 0.5).sum())
        candidates.append(float(np.angle(total) / 4 % (np.pi / 2)))
    return candidates


def _along(polygon: shapely.Polygon, angle: float, jog_m: float) -> shapely.Polygon | None:
    """Set all walls along one direction or across it; None if that makes no valid polygon."""
    center = shapely.get_coordinates(polygon.centroid)[0]
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    rings = []
    for ring in (polygon.exterior, *polygon.interiors):
        corners = _corners((shapely.get_coordinates(ring) - center) @ turn, jog_m)
        if corners is None:
            return None
        rings.append(corners @ turn.T + center)
    squared = shapely.Polygon(rings[0], rings[1:])
    return shapely.orient_polygons(squared) if squared.is_valid and squared.area > 0 else None


@dataclass(frozen=True)
class _Wall:
    """Edges that follow each other and run the same way."""

    level: bool
    place: float
    """Where it stands: y of a level wall, x of an upright one."""
    length: float


def _corners(ring: FloatArray, jog_m: float) -> FloatArray | None:
    """Give the corners (N, 2) of a closed ring whose edges become level or upright walls."""
    step, middle = np.diff(ring, axis=0), (ring[1:] + ring[:-1]) / 2
    level = np.abs(step[:, 0]) >= np.abs(step[:, 1])
    walls = [
        _Wall(bool(flat), float(m[1] if flat else m[0]), float(abs(s[0] if flat else s[1])))
        for flat, m, s in zip(level, middle, step, strict=True)
    ]
    walls = _merged(walls)
    while len(walls) > 4:
        shortest = min(range(len(walls)), key=lambda i: walls[i].length)
        if walls[shortest].length >= jog_m:
            break
        walls = _merged(walls[:shortest] + walls[shortest + 1 :])
    if len(walls) < 4 or len(walls) % 2:
        return None
    after = [*walls[1:], walls[0]]
    return np.array([(b.place, a.place) if a.level else (a.place, b.place) for a, b in zip(walls, after, strict=True)])


def _merged(walls: Sequence[_Wall]) -> list[_Wall]:
    """Make one wall of neighbors that run the same way; it stands where they stand in the mean."""
    result: list[_Wall] = []
    for wall in walls:
        if result and result[-1].level == wall.level:
            result[-1] = _both(result[-1], wall)
        else:
            result.append(wall)
    if len(result) > 1 and result[0].level == result[-1].level:
        result[0] = _both(result.pop(), result[0])
    return result


def _both(one: _Wall, other: _Wall) -> _Wall:
    length = one.length + other.length
    share = one.length / length if length else 0.5
    return _Wall(one.level, share * one.place + (1 - share) * other.place, length)


def _distance(old: shapely.Polygon, new: shapely.Polygon, limit_m: float) -> float:
    """Give the farthest distance between two outlines, either way, m."""
    fine = [shapely.get_coordinates(shapely.segmentize(p.boundary, _STEP_SHARE * limit_m)) for p in (old, new)]
    there = shapely.distance(shapely.points(fine[0]), new.boundary).max()
    back = shapely.distance(shapely.points(fine[1]), old.boundary).max()
    return float(max(there, back))
