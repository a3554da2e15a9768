"""Cars: small, bright or dark, parked along the curb or on the move; no class of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from hectares.generate.legend import Code

if TYPE_CHECKING:
    from hectares.generate.canvas import Canvas
    from hectares.generate.network import Road
    from hectares.generate.spectra import Spectrum

#: Middle of a car (x, y) in meters and its heading in radians.
Pose = tuple[float, float, float]

_PAINTS: tuple[Spectrum, ...] = (
    (0.52, 0.52, 0.51, 0.52), (0.45, 0.46, 0.46, 0.46), (0.30, 0.31, 0.31, 0.32),
    (0.05, 0.05, 0.055, 0.06), (0.07, 0.07, 0.08, 0.08), (0.10, 0.13, 0.22, 0.16),
    (0.20, 0.06, 0.05, 0.24), (0.17, 0.17, 0.18, 0.19), (0.11, 0.11, 0.11, 0.12),
)  # fmt: skip
_GLASS: Spectrum = (0.05, 0.055, 0.06, 0.06)
_CAR_M = (4.4, 1.8, 1.5)  # length, width, height
_TRUCK_M = (11.0, 2.5, 3.4)


def drive(rng: np.random.Generator, roads: tuple[Road, ...]) -> list[Pose]:
    """Return cars on the lanes and along the curbs of the roads."""
    poses: list[Pose] = []
    for road in roads:
        length = road.line.length
        if road.kind == "track" or length < 20.0:
            continue
        lane = road.width_m / 4
        moving = rng.uniform(0.0, length, rng.poisson(length / (70.0 if road.kind == "main" else 220.0)))
        parked = np.empty(0)
        if road.kind == "street":
            slots = np.arange(8.0, length - 8.0, 5.9)
            # Cars stand in groups: whole stretches of the curb are full or empty.
            full = np.repeat(rng.random(len(slots) // 5 + 1) < 0.45, 5)[: len(slots)]
            parked = slots[(rng.random(len(slots)) < 0.75) & full]
        for places, offset in ((moving, lane), (parked, road.width_m / 2 - 0.9)):
            side = rng.choice([-1.0, 1.0]) if places is parked else rng.choice([-1.0, 1.0], len(places))
            poses += _beside(road.line, places, np.broadcast_to(side * offset, places.shape))
    return poses


def _beside(line: shapely.LineString, at_m: np.ndarray, offset_m: np.ndarray) -> list[Pose]:
    """Return poses beside a line at distances along it, heading along it."""
    if not len(at_m):
        return []
    here = shapely.get_coordinates(shapely.line_interpolate_point(line, at_m))
    ahead = shapely.get_coordinates(shapely.line_interpolate_point(line, at_m - 1.0))
    along = here - ahead
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    place = here + offset_m[:, None] * np.stack([-along[:, 1], along[:, 0]], axis=1)
    heading = np.arctan2(along[:, 1], along[:, 0])
    return [(float(x), float(y), float(a)) for (x, y), a in zip(place, heading, strict=True)]


def paint_cars(canvas: Canvas, poses: list[Pose], rng: np.random.Generator) -> None:
    """Paint cars where they stand on pavement or bare ground; labels stay as they are."""
    if not poses:
        return
    under = canvas.sample_label(np.array(poses)[:, :2])
    paints = rng.integers(len(_PAINTS), size=len(poses))
    gains = rng.uniform(0.8, 1.15, len(poses))
    trucks = rng.random(len(poses)) < 0.035
    for pose, code, paint, gain, truck in zip(poses, under, paints, gains, trucks, strict=True):
        if code in (Code.ROAD, Code.BARE):
            body = _PAINTS[paint % 3 if truck else paint]
            _paint_car(canvas, pose, np.array(body, np.float32) * gain, _TRUCK_M if truck else _CAR_M)


def _paint_car(canvas: Canvas, pose: Pose, body: np.ndarray, size_m: tuple[float, float, float]) -> None:
    """Paint one car: its body and the dark glass in front and at the back."""
    x_m, y_m, heading = pose
    length, width, height = size_m
    window = canvas.window(x_m, y_m, length / 2 + 1.0)
    if window is None:
        return
    x, y = canvas.coordinates(window)
    cos, sin = np.cos(heading), np.sin(heading)
    u, v = (x - x_m) * cos + (y - y_m) * sin, (y - y_m) * cos - (x - x_m) * sin
    inside = (np.abs(u) < length / 2) & (np.abs(v) < width / 2)
    inside &= np.isin(canvas.label[window], (Code.ROAD, Code.BARE))
    glass = inside & (np.abs(np.abs(u - 0.05 * length) - 0.24 * length) < 0.3)
    for band in range(4):
        canvas.reflectance[band][window][inside] = body[band]
        canvas.reflectance[band][window][glass] = _GLASS[band]
    base = canvas.height_m[window][inside]
    canvas.height_m[window][inside] = np.where(base > 0, base, 0.0) + height
