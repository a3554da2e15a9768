"""Large buildings: apartment slabs, industrial halls, farmsteads and the church."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from hectares.generate import spectra
from hectares.generate.roofs import FLAT, PITCHED, Building, Wing, pick_roof
from hectares.generate.subdivision import long_axis, subdivide

if TYPE_CHECKING:
    from hectares.generate.cars import Pose
    from hectares.generate.plan import Lot


def _in_rows(
    rng: np.random.Generator, lot: Lot, half: tuple[float, float], gap: tuple[float, float], angle: float
) -> list[Wing]:
    """Return rectangles of one size in rows across a lot, all inside it."""
    cos, sin = np.cos(angle), np.sin(angle)
    center = lot.polygon.centroid
    _, length, _ = long_axis(lot.polygon)
    inside = lot.polygon.buffer(-4.0)
    shapely.prepare(inside)
    step_u, step_v = 2 * half[0] + gap[0], 2 * half[1] + gap[1]
    count_u, count_v = int(length / step_u) + 1, int(length / step_v) + 1
    shift_u, shift_v = rng.uniform(-0.3, 0.3) * step_u, rng.uniform(-0.3, 0.3) * step_v
    wings = []
    for i in range(-count_u, count_u + 1):
        for j in range(-count_v, count_v + 1):
            u, v = i * step_u + shift_u, j * step_v + shift_v
            wing = Wing(center.x + u * cos - v * sin, center.y + u * sin + v * cos, angle, *half)
            if inside.contains(wing.outline):
                wings.append(wing)
    return wings


def slabs(rng: np.random.Generator, lot: Lot) -> list[Building]:
    """Return apartment blocks in parallel rows on a lawn."""
    angle, _, _ = long_axis(lot.polygon)
    half = (rng.uniform(15.0, 24.0), rng.uniform(5.5, 6.5))
    turn = angle + (np.pi / 2 if rng.random() < 0.5 else 0.0)
    material, eaves = pick_roof(rng, FLAT), rng.uniform(10.0, 15.0)
    solar = bool(rng.random() < 0.25)
    return [
        Building((wing,), "flat", eaves, 0.0, material, solar=solar, clutter_per_m2=0.012)
        for wing in _in_rows(rng, lot, half, (10.0, 20.0), turn)
    ]


def industry(rng: np.random.Generator, lot: Lot) -> list[Building]:
    """Return industrial halls, each large in its part of the lot."""
    parts, _ = subdivide(rng, lot.polygon, rng.uniform(2600.0, 6500.0), sag=0.0)
    built: list[Building] = []
    for part in parts:
        angle, length, width = long_axis(part)
        half = (length * rng.uniform(0.24, 0.38), width * rng.uniform(0.22, 0.34))
        if min(half) < 4.0 or rng.random() < 0.12:
            continue
        center = part.centroid
        wing = Wing(center.x, center.y, angle, *half)
        if not part.buffer(-2.0).contains(wing.outline):
            wing = replace(wing, half_length_m=0.7 * half[0], half_width_m=0.8 * half[1])
        if not part.contains(wing.outline):
            continue
        eaves = rng.uniform(6.0, 11.0)
        if rng.random() < 0.35:
            metal = pick_roof(rng, ((0.6, spectra.METAL_GRAY), (0.2, spectra.TILE_RED), (0.2, spectra.SLATE)))
            built.append(Building((wing,), "gable", eaves, rng.uniform(6.0, 14.0), metal, seam_m=2.5))
        else:
            solar = bool(rng.random() < 0.2)
            roof = pick_roof(rng, FLAT)
            built.append(Building((wing,), "flat", eaves, 0.0, roof, solar=solar, clutter_per_m2=0.006))
    return built


def parking(rng: np.random.Generator, lot: Lot) -> list[Pose]:
    """Return rows of parked cars along parts of the edge of a yard."""
    rim = lot.polygon.buffer(-11.0).exterior
    poses: list[Pose] = []
    if rim.is_empty:
        return poses
    at = rng.uniform(0.0, 30.0)
    while at < rim.length:
        for _ in range(int(rng.integers(5, 18))):
            first, second = shapely.get_coordinates(rim.interpolate([at, at + 2.0]))
            along = second - first
            if rng.random() < 0.8:
                angle = float(np.arctan2(along[1], along[0])) + np.pi / 2
                poses.append((float(first[0]), float(first[1]), angle))
            at += 2.7
        at += rng.uniform(15.0, 70.0)
    return poses


def farm(rng: np.random.Generator, lot: Lot) -> tuple[list[Building], list[shapely.Polygon]]:
    """Return a farmstead at the edge of a field, its buildings and the yard between them."""
    rim = lot.polygon.buffer(-24.0).exterior
    if rim.is_empty:
        return [], []
    place = rim.interpolate(rng.uniform(0, rim.length))
    angle = long_axis(lot.polygon)[0]
    buildings = []
    for turn, away, half in ((0.0, 14.0, (10.0, 5.5)), (1.0, 17.0, (13.0, 6.5)), (2.0, 15.0, (8.0, 5.0))):
        direction = angle + turn * np.pi / 2
        wing = Wing(place.x - away * np.sin(direction), place.y + away * np.cos(direction), direction, *half)
        if lot.polygon.contains(wing.outline):
            roof = pick_roof(rng, PITCHED)
            form_deg = rng.uniform(25.0, 40.0)
            buildings.append(Building((wing,), "gable", rng.uniform(4.0, 6.5), form_deg, roof))
    gate = lot.polygon.exterior.interpolate(lot.polygon.exterior.project(place))
    drive = shapely.LineString([place, gate]).buffer(1.8)
    ground = shapely.union_all([b.outline for b in buildings] + [place.buffer(9.0)]).convex_hull
    return buildings, [ground.buffer(4.0).intersection(lot.polygon), drive]


def church(rng: np.random.Generator, lot: Lot) -> list[Building]:
    """Return a church in the middle of its square: a nave and a tall tower."""
    center, angle = lot.polygon.centroid, float(rng.uniform(-0.2, 0.2))  # the choir points east
    nave = Wing(center.x, center.y, angle, 14.0, 6.5)
    transept = Wing(center.x + 5.0 * np.cos(angle), center.y + 5.0 * np.sin(angle), angle + np.pi / 2, 10.5, 4.5)
    tower = Wing(center.x - 16.5 * np.cos(angle), center.y - 16.5 * np.sin(angle), angle, 3.8, 3.8)
    if not lot.polygon.contains(nave.outline.union(tower.outline)):
        return []
    roof = pick_roof(rng, ((0.6, spectra.SLATE), (0.4, spectra.TILE_BROWN)))
    return [
        Building((nave, transept), "gable", 11.0, 48.0, roof),
        Building((tower,), "hip", 21.0, 62.0, spectra.COPPER),
    ]
