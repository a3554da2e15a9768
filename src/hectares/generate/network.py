"""The skeleton of the plan: the river, the main roads and the districts they bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.generate.subdivision import polygons_of

RoadKind = Literal["main", "street", "alley", "track"]

#: Width of the carriageway in meters.
ROAD_WIDTH_M: dict[RoadKind, float] = {"main": 9.0, "street": 6.0, "alley": 4.5, "track": 3.0}
#: Width of the paved sidewalk on either side in meters.
SIDEWALK_M: dict[RoadKind, float] = {"main": 0.0, "street": 1.5, "alley": 0.8, "track": 0.0}

_OLD_TOWN = "Old Town"
_DISTRICT_NAMES = ("Northgate", "Mill Fields", "Eastbrook", "Riverside", "Southbank")
# Geometry is snapped to a centimeter, so that shared borders share their vertices.
_SNAP_M = 0.01


@dataclass(frozen=True)
class Extent:
    """The size of the world in meters; the plan frame starts at its upper left."""

    width_m: float
    height_m: float

    @property
    def polygon(self) -> shapely.Polygon:
        """The world as a rectangle."""
        return shapely.box(0.0, 0.0, self.width_m, self.height_m)

    @property
    def scale(self) -> float:
        """How much large things shrink in a small world, at most 1."""
        return float(np.clip(min(self.height_m, self.width_m / 2) / 1024.0, 0.15, 1.0))


@dataclass(frozen=True)
class Road:
    """A road by its center line."""

    line: shapely.LineString
    kind: RoadKind

    @property
    def width_m(self) -> float:
        """Width of the carriageway."""
        return ROAD_WIDTH_M[self.kind]

    @property
    def carriageway(self) -> shapely.Polygon:
        """The paved or graveled strip between the curbs."""
        return self.line.buffer(self.width_m / 2)

    @property
    def corridor(self) -> shapely.Polygon:
        """Carriageway and sidewalks."""
        return self.line.buffer(self.width_m / 2 + SIDEWALK_M[self.kind])


@dataclass(frozen=True)
class River:
    """The river: its middle line, its water surface and its banks."""

    line: shapely.LineString
    water: shapely.Polygon
    corridor: shapely.Polygon  # water and banks
    bars: tuple[shapely.Polygon, ...]  # sand inside the bends


def wander(
    rng: np.random.Generator,
    start: tuple[float, float],
    end: tuple[float, float],
    amplitude_m: float,
    wavelength_m: float,
) -> shapely.LineString:
    """Return a smooth line from start to end that strays about `amplitude_m` sideways."""
    first, last = np.asarray(start), np.asarray(end)
    length = float(np.hypot(*(last - first)))
    along = (last - first) / length
    across = np.array([-along[1], along[0]])
    s = np.linspace(0.0, length, max(int(length / 4.0), 8))
    offset = np.zeros_like(s)
    for harmonic in (1.0, 1.9, 3.3):
        phase, gain = rng.uniform(0, 2 * np.pi), rng.normal(1.0, 0.25)
        offset += gain / harmonic**1.3 * np.sin(2 * np.pi * s * harmonic / wavelength_m + phase)
    return shapely.LineString(first + along * s[:, None] + across * (amplitude_m * offset)[:, None])


def draw_river(rng: np.random.Generator, extent: Extent) -> River:
    """Return a river that meanders from the west edge to the east edge.

    Its direction swings as a sine along its length, the shape that real meanders
    come close to.
    """
    loop_m = 620.0 * extent.scale
    s = np.arange(0.0, 2.2 * extent.width_m + 400.0, 2.0)
    swing = 0.95 + 0.28 * np.sin(2 * np.pi * s / (2.7 * loop_m) + rng.uniform(0, 6.28))
    drift = 0.25 * np.sin(2 * np.pi * s / (1.6 * loop_m) + rng.uniform(0, 6.28))
    heading = swing * np.sin(2 * np.pi * s / loop_m + rng.uniform(0, 6.28)) + drift
    points = np.stack([np.cumsum(np.cos(heading)), np.cumsum(np.sin(heading))], axis=1) * 2.0
    reaches = points[:, 0] < extent.width_m + 120.0
    points = points[: int(np.argmin(reaches))] if not reaches.all() else points
    # Take out the trend, so that the river stays near the middle of the world.
    trend = np.polynomial.Polynomial.fit(points[:, 0], points[:, 1], 2)(points[:, 0])
    middle = extent.height_m * rng.uniform(0.49, 0.53)
    points = np.stack([points[:, 0] - 60.0, 0.85 * (points[:, 1] - trend) + middle], axis=1)
    half_m = max(19.0 * extent.scale, 5.0) * _slow_variation(rng, len(points), 0.16)
    line = shapely.LineString(points)
    water = _ribbon(points, half_m)
    bank_m = max(11.0 * extent.scale, 3.0) * _slow_variation(rng, len(points), 0.35)
    corridor = _ribbon(points, half_m + bank_m)
    return River(line, water, corridor, _point_bars(rng, points, half_m, extent.scale))


def _point_bars(
    rng: np.random.Generator,
    points: NDArray[np.float64],
    half_m: NDArray[np.float64],
    scale: float,
) -> tuple[shapely.Polygon, ...]:
    """Return slim crescents of sand on the inner side of the sharpest bends."""
    along = np.gradient(points, axis=0)
    heading = np.unwrap(np.arctan2(along[:, 1], along[:, 0]))
    bend = np.convolve(np.gradient(heading), np.ones(15) / 15, mode="same")
    reach = int(max(45.0 * scale, 12.0))  # points lie about 2 m apart
    bars = []
    for start in range(reach, len(points) - reach, 2 * reach):
        peak = start + int(np.argmax(np.abs(bend[start : start + 2 * reach])))
        span = slice(max(peak - reach, 0), peak + reach)
        if abs(bend[peak]) * scale < 0.008 or len(points[span]) < 8 or rng.random() < 0.3:
            continue
        normal = np.stack([-along[span, 1], along[span, 0]], axis=1)
        normal /= np.hypot(*normal.T)[:, None]
        inner = points[span] + np.sign(bend[peak]) * normal * (half_m[span, None] + 1.0)
        taper = np.sin(np.linspace(0.02, np.pi - 0.02, len(inner)))
        width = max(rng.uniform(3.5, 7.5) * scale, 2.0) * taper
        bars.append(_ribbon(inner, width * _slow_variation(rng, len(inner), 0.6)))
    return tuple(bars)


def _slow_variation(rng: np.random.Generator, count: int, depth: float) -> NDArray[np.float64]:
    """Return (count,) factors around 1 that change slowly along a line."""
    knots = rng.normal(1.0, depth, count // 30 + 4)
    smooth = np.convolve(knots, np.ones(3) / 3, mode="same")
    smooth[[0, -1]] = 1.0
    at = np.linspace(0, len(knots) - 1, count)
    return np.clip(np.interp(at, np.arange(len(knots)), smooth), 0.5, 1.8)


def _ribbon(points: NDArray[np.float64], half_m: NDArray[np.float64]) -> shapely.Polygon:
    """Return the union of disks of varying radius along a line, as one polygon."""
    every = slice(None, None, 4)
    segments = shapely.linestrings(np.stack([points[every][:-1], points[every][1:]], axis=1))
    ribbon = shapely.union_all(shapely.buffer(segments, half_m[every][:-1])).simplify(0.4)
    return max(polygons_of(ribbon), key=lambda part: float(part.area))


def draw_main_roads(rng: np.random.Generator, extent: Extent) -> list[Road]:
    """Return two roads along the valley and several across it, each with a bridge."""
    width, height = extent.width_m, extent.height_m
    reach = 30.0
    along_count = 2 if height > 150.0 else 1
    sway_m = 34.0 * extent.scale
    roads: list[Road] = []
    for share in (0.22, 0.78)[:along_count]:
        left, right = height * (share + rng.uniform(-0.06, 0.06, 2))
        line = wander(rng, (-reach, left), (width + reach, right), sway_m, 900.0 * extent.scale)
        roads.append(Road(line, "main"))
    across_count = max(2, round(width / 512.0))
    for index in range(across_count):
        middle = (index + 0.5 + rng.uniform(-0.12, 0.12)) / across_count * width
        lean = rng.uniform(-0.16, 0.16) * width / across_count
        start, end = (middle - lean, -reach), (middle + lean, height + reach)
        line = wander(rng, start, end, sway_m, 700.0 * extent.scale)
        if index in through_roads(across_count):
            roads.append(Road(line, "main"))
        else:
            roads.append(Road(_end_at(line, roads[index % along_count].line), "main"))
    return roads


def through_roads(across_count: int) -> tuple[int, int]:
    """Return the two cross roads that run from edge to edge and bound the districts."""
    return across_count // 3, across_count - 1 - across_count // 3


def _end_at(line: shapely.LineString, stop: shapely.LineString) -> shapely.LineString:
    """Return the longest part of a line up to where it meets another one."""
    parts = shapely.get_parts(line.difference(stop)).tolist()
    return max(parts, key=lambda part: float(part.length))


def draw_districts(
    extent: Extent, river: River, roads: list[Road], center: shapely.Geometry
) -> tuple[tuple[str, shapely.Polygon], ...]:
    """Return named districts that tile the world along the river and two roads.

    The one that holds most of `center` is the old town.
    """
    crossing = [road.line for road in roads if _spans(road.line, extent)]
    lines = [extent.polygon.boundary, river.line, *crossing]
    linework = shapely.set_precision(shapely.union_all(lines), _SNAP_M)
    world = shapely.set_precision(extent.polygon, _SNAP_M)
    noded = shapely.union_all([linework, world.boundary])
    parts = [
        part
        for part in polygons_of(shapely.polygonize(shapely.get_parts(noded)))
        if world.covers(part.representative_point())
    ]
    merged = _merge_slivers(parts, len(_DISTRICT_NAMES) + 1)
    merged.sort(key=lambda part: (part.centroid.y > extent.height_m / 2, part.centroid.x))
    oldest = max(range(len(merged)), key=lambda k: float(merged[k].intersection(center).area))
    names = list(_DISTRICT_NAMES[: len(merged) - 1])
    names.insert(oldest, _OLD_TOWN)
    return tuple(zip(names, merged, strict=True))


def _spans(line: shapely.LineString, extent: Extent) -> bool:
    """Return whether a line crosses the world from its top to its bottom."""
    _, top, _, bottom = line.bounds
    return bool(top < 0.0 and bottom > extent.height_m)


def _merge_slivers(parts: list[shapely.Polygon], count: int) -> list[shapely.Polygon]:
    """Return at most `count` polygons: the smallest joins its closest neighbor until done."""
    parts = list(parts)
    total = sum(part.area for part in parts)
    while len(parts) > 1:
        parts.sort(key=lambda part: float(part.area), reverse=True)
        if len(parts) <= count and parts[-1].area > 0.04 * total:
            break
        small = parts.pop()
        shared = [small.boundary.intersection(part.boundary).length for part in parts]
        best = int(np.argmax(shared))
        parts[best] = max(polygons_of(parts[best].union(small)), key=lambda part: float(part.area))
    return parts
