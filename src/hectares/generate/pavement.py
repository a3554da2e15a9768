"""Painting roads: worn asphalt, sidewalks, lane markings, bridges and the cars on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
import shapely.ops
from numpy.typing import NDArray

from hectares.generate import spectra
from hectares.generate.ground import Cover, Patch, paint_ground
from hectares.generate.legend import Code

if TYPE_CHECKING:
    from hectares.generate.canvas import Canvas
    from hectares.generate.network import Road
    from hectares.generate.noise import Textures
    from hectares.generate.plan import Plan
    from hectares.generate.spectra import Spectrum

_BRIDGE_HEIGHT_M = 3.5
_RAMP_STEPS = 10  # of a meter each


def paint_roads(canvas: Canvas, plan: Plan, textures: Textures, rng: np.random.Generator) -> None:
    """Paint sidewalks, carriageways, repairs and markings of all roads."""
    for_surface, for_passes = rng.spawn(2)
    surfaces = [_surface(for_surface, road) for road in plan.roads]
    patches = [Patch(road.corridor, _sidewalk(for_surface)) for road in plan.roads if road.kind in {"street", "alley"}]
    patches += [Patch(road.carriageway, cover) for road, cover in zip(plan.roads, surfaces, strict=True)]
    patches += _worn_lanes(plan.roads, surfaces)
    patches += _repairs(for_surface, plan.roads)
    paint_ground(canvas, patches, textures, for_passes)
    _raise_bridges(canvas, plan)
    _mark_lanes(canvas, plan.roads, textures)


def _surface(rng: np.random.Generator, road: Road) -> Cover:
    """Return the paving of a road, each at its own age."""
    age = rng.beta(1.6, 1.3)
    gain = rng.uniform(0.78, 1.28)
    if road.kind == "track":
        return Cover(Code.ROAD, spectra.GRAVEL, spectra.SOIL_LIGHT, age, blotch=0.2, grain=0.07)
    new, old = np.array(spectra.ASPHALT_NEW), np.array(spectra.ASPHALT_OLD)
    red, green, blue, nir = (gain * (new + age * (old - new))).tolist()
    worn = spectra.PAVERS if road.kind == "alley" else spectra.ASPHALT_OLD
    return Cover(Code.ROAD, (red, green, blue, nir), worn, 0.15, mottle=0.14, blotch=0.08, grain=0.035)


def _sidewalk(rng: np.random.Generator) -> Cover:
    """Return the paving of a sidewalk."""
    return Cover(Code.ROAD, spectra.CONCRETE, spectra.PAVERS, rng.uniform(0.2, 0.9), blotch=0.2, grain=0.05)


def _worn_lanes(roads: tuple[Road, ...], surfaces: list[Cover]) -> list[Patch]:
    """Return the strip between the wheels of each road: oil on asphalt, grass on tracks."""
    patches = []
    for road, cover in zip(roads, surfaces, strict=True):
        if road.kind == "track":
            strip = Cover(Code.ROAD, spectra.MEADOW_PALE, spectra.SOIL_LIGHT, 0.4, blotch=0.3, grain=0.08)
            patches.append(Patch(road.line.buffer(0.45), strip))
        elif road.kind == "main":
            dark = np.array(cover.base) * 0.88
            red, green, blue, nir = dark.tolist()
            oil = Cover(Code.ROAD, (red, green, blue, nir), cover.alt, 0.1, mottle=0.1, grain=0.03)
            patches += [Patch(road.line.offset_curve(side * road.width_m / 4).buffer(0.8), oil) for side in (-1, 1)]
    return patches


def _repairs(rng: np.random.Generator, roads: tuple[Road, ...]) -> list[Patch]:
    """Return patches of fresh and of faded asphalt on streets."""
    patches = []
    for road in roads:
        if road.kind == "track":
            continue
        for _ in range(rng.poisson(road.line.length / 130.0)):
            at = rng.uniform(0.0, road.line.length)
            piece = shapely.ops.substring(road.line, at, at + rng.uniform(4.0, 30.0))
            side = rng.choice([-1.0, 1.0]) * road.width_m / 4
            if piece.length < 2.0:
                continue
            lane = piece.offset_curve(side).buffer(road.width_m / 4, cap_style="flat")
            fresh = spectra.ASPHALT_NEW if rng.random() < 0.65 else spectra.ASPHALT_OLD
            patches.append(Patch(lane, Cover(Code.ROAD, fresh, spectra.ASPHALT_OLD, 0.25, mottle=0.1, grain=0.04)))
    return patches


def _raise_bridges(canvas: Canvas, plan: Plan) -> None:
    """Lift roads over the water on ramps, so that bridges cast a shadow on the river."""
    # Rings around the water, the outermost first: a single step at the bank would
    # cast a shadow of its own across the road.
    rings = [plan.river.water.buffer(2.0 + step) for step in range(_RAMP_STEPS - 1, -1, -1)]
    crossing = [road.carriageway for road in plan.roads if road.line.intersects(rings[-1])]
    span = shapely.union_all(crossing)
    ring = canvas.rasterize(span.intersection(area) for area in rings)
    deck = ring > 0
    canvas.height_m[deck] = _BRIDGE_HEIGHT_M * ring[deck] / _RAMP_STEPS
    canvas.terrain_m[deck] = 0.0
    canvas.relief[deck] = 1.0
    parapet = canvas.rasterize([part.boundary.buffer(0.35) for part in crossing]) > 0
    _tint(canvas, parapet & (ring == _RAMP_STEPS), spectra.CONCRETE, 0.9)


def _mark_lanes(canvas: Canvas, roads: tuple[Road, ...], textures: Textures) -> None:
    """Draw dashes along the middle and lines along the edges of main roads."""
    dashes, edges = [], []
    for road in roads:
        if road.kind != "main":
            continue
        dashes += [shapely.ops.substring(road.line, at, at + 4.0) for at in np.arange(0.0, road.line.length, 10.0)]
        edges += [road.line.offset_curve(side * (road.width_m / 2 - 0.6)) for side in (-1, 1)]
    faded = np.clip(0.75 + 0.25 * textures.large, 0.25, 1.0)
    _tint(canvas, canvas.rasterize(edges) > 0, spectra.MARKING, 0.35 * faded)
    _tint(canvas, canvas.rasterize(dashes) > 0, spectra.MARKING, 0.6 * faded)


def _tint(canvas: Canvas, where: NDArray[np.bool_], spectrum: Spectrum, strength: float | NDArray[np.float32]) -> None:
    """Blend a color into the pixels of a mask, without a change of label."""
    weight = np.broadcast_to(np.asarray(strength, np.float32), canvas.shape)[where]
    for band, value in enumerate(spectrum):
        old = canvas.reflectance[band][where]
        canvas.reflectance[band][where] = old + weight * (value - old)
