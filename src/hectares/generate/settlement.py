"""Settling the lots: rows of houses along the streets, with drives, hedges and sheds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from hectares.generate import halls, spectra
from hectares.generate.plan import Lot, Plan, Use
from hectares.generate.roofs import FLAT, PITCHED, Building, RoofForm, Wing, pick_roof
from hectares.generate.subdivision import long_axis

if TYPE_CHECKING:
    from hectares.generate.cars import Pose
    from hectares.generate.spectra import Spectrum


@dataclass(frozen=True)
class _Style:
    """How the houses of a block stand along its streets; lengths in meters."""

    frontage: tuple[float, float]
    gap: float
    setback: tuple[float, float]
    depth: tuple[float, float]
    eaves: tuple[float, float]
    pitch_deg: tuple[float, float]
    flat_share: float
    ell_share: float


_VILLAS = _Style((12.0, 18.0), 7.0, (4.0, 8.0), (8.5, 11.5), (3.2, 6.0), (28.0, 42.0), 0.14, 0.28)
_TERRACES = _Style((7.0, 9.0), 0.3, (3.5, 4.5), (9.0, 10.5), (5.0, 6.2), (32.0, 40.0), 0.10, 0.0)
_CLOSED = _Style((9.0, 16.0), 0.2, (0.3, 0.9), (9.5, 13.5), (7.0, 11.5), (34.0, 46.0), 0.12, 0.22)


@dataclass
class Settlement:
    """What people built on their lots, besides roads and fields."""

    buildings: list[Building] = field(default_factory=list)
    driveways: list[shapely.Polygon] = field(default_factory=list)
    yards: list[shapely.Polygon] = field(default_factory=list)
    squares: list[shapely.Polygon] = field(default_factory=list)
    hedges: list[shapely.LineString] = field(default_factory=list)
    cars: list[Pose] = field(default_factory=list)


def settle(rng: np.random.Generator, plan: Plan) -> Settlement:
    """Return all buildings of the plan and what belongs to them."""
    settlement = Settlement()
    squares = _church_lots(plan)
    for lot, child in zip(plan.lots, rng.spawn(len(plan.lots)), strict=True):
        match lot.use:
            case Use.HOUSING:
                _line_streets(child, lot, _VILLAS if child.random() < 0.72 else _TERRACES, settlement)
            case Use.OLD_TOWN if lot in squares:
                settlement.buildings += halls.church(child, lot)
                settlement.squares.append(lot.polygon)
            case Use.OLD_TOWN:
                _line_streets(child, lot, _CLOSED, settlement)
            case Use.ESTATE:
                settlement.buildings += halls.slabs(child, lot)
            case Use.INDUSTRY:
                settlement.buildings += halls.industry(child, lot)
                settlement.cars += halls.parking(child, lot)
            case Use.FIELDS if child.random() < 0.16 and lot.polygon.area > 6000.0:
                buildings, yards = halls.farm(child, lot)
                settlement.buildings += buildings
                settlement.yards += yards
            case _:
                pass
    return settlement


def _church_lots(plan: Plan) -> list[Lot]:
    """Return the lot of the church in each half of the world that has an old town."""
    squares = []
    middle = plan.extent.width_m / 2
    for east in (False, True):
        old = [
            lot
            for lot in plan.lots
            if lot.use is Use.OLD_TOWN
            and (lot.polygon.centroid.x > middle) is east
            and lot.polygon.buffer(-18.0).area > 0
        ]
        if len(old) > 3:
            center = shapely.union_all([lot.polygon for lot in old]).centroid
            squares.append(min(old, key=lambda lot: float(lot.polygon.distance(center))))
    return squares


def _line_streets(rng: np.random.Generator, lot: Lot, style: _Style, settlement: Settlement) -> None:
    """Set houses side by side along the edge of a block, with drives, hedges and sheds."""
    ring = shapely.orient_polygons(lot.polygon.simplify(0.8)).exterior
    allowed = lot.polygon.buffer(-0.2)
    shapely.prepare(allowed)
    common = pick_roof(rng, PITCHED)
    setback, depth = rng.uniform(*style.setback), rng.uniform(*style.depth)
    outlines: list[shapely.Polygon] = []

    def add(building: Building | None) -> bool:
        """Keep a building if it fits the block and its neighbors."""
        if building is None or not allowed.contains(building.outline):
            return False
        core = building.outline.buffer(-0.1)
        if outlines and shapely.intersects(np.array(outlines), core).any():
            return False
        settlement.buildings.append(building)
        outlines.append(building.outline)
        return True

    at = rng.uniform(0.0, 4.0)
    while at < ring.length:
        front = rng.uniform(*style.frontage)
        wing = _behind_curb(ring, at, front, setback + rng.normal(0.0, 0.15), depth + rng.normal(0.0, 0.4))
        # Most of a street is roofed alike; the rest goes its own way.
        material = common if rng.random() < 0.4 else pick_roof(rng, PITCHED)
        if wing is None or not add(_house(rng, wing, style, material)):
            at += 2.0
            continue
        gap = style.gap * rng.uniform(0.6, 1.5)
        if style.gap > 4.0:
            garage = _beside(rng, wing, setback, gap, settlement)
            add(garage)
        at += front + gap
    for shed in _sheds(rng, lot):
        add(shed)


def _beside(
    rng: np.random.Generator, wing: Wing, setback_m: float, gap_m: float, settlement: Settlement
) -> Building | None:
    """Lay a drive and a hedge next to a house and return its garage, if any."""
    side = Wing(wing.x_m, wing.y_m, wing.angle_rad, 1.0, 1.0)
    beside = wing.half_length_m + 0.45 * gap_m
    curb = -wing.half_width_m - setback_m
    if rng.random() < 0.75:
        back = rng.uniform(0.0, 0.8) * wing.half_width_m
        drive = shapely.LineString([side.place(beside, curb - 0.5), side.place(beside, back)])
        settlement.driveways.append(drive.buffer(1.5, cap_style="flat"))
        if rng.random() < 0.45:
            settlement.cars.append((*side.place(beside, curb + 3.2), wing.angle_rad + np.pi / 2))
    if rng.random() < 0.7:
        edge = wing.half_length_m + 0.85 * gap_m
        rear = wing.half_width_m + rng.uniform(6.0, 16.0)
        settlement.hedges.append(shapely.LineString([side.place(edge, curb + 1.0), side.place(edge, rear)]))
    if rng.random() < 0.35:
        front = shapely.LineString([side.place(-wing.half_length_m, curb + 0.8), side.place(beside - 2.5, curb + 0.8)])
        settlement.hedges.append(front)
    if rng.random() > 0.4:
        return None
    x, y = side.place(beside, 0.3 * wing.half_width_m)
    box = Wing(x, y, wing.angle_rad + np.pi / 2, 3.0, 1.7)
    return Building((box,), "flat", 2.7, 0.0, pick_roof(rng, FLAT))


def _behind_curb(
    ring: shapely.LinearRing, at_m: float, front_m: float, setback_m: float, depth_m: float
) -> Wing | None:
    """Return a rectangle that faces the street at a place, or None around a corner."""
    span = shapely.get_coordinates(ring.interpolate([at_m % ring.length, (at_m + front_m) % ring.length]))
    chord = span[1] - span[0]
    length = float(np.hypot(*chord))
    if length < 0.94 * front_m:
        return None
    along = chord / length
    inward = np.array([-along[1], along[0]])  # the ring runs counterclockwise in x, y
    center = span.mean(axis=0) + inward * (setback_m + depth_m / 2)
    return Wing(
        float(center[0]),
        float(center[1]),
        float(np.arctan2(along[1], along[0])),
        front_m / 2,
        depth_m / 2,
    )


def _house(rng: np.random.Generator, wing: Wing, style: _Style, material: Spectrum) -> Building:
    """Return a house on a rectangle, with a wing to the rear now and then."""
    eaves = rng.uniform(*style.eaves)
    form: RoofForm = "hip" if rng.random() < 0.2 and style.gap > 1.0 else "gable"
    solar = bool(rng.random() < 0.14)
    if rng.random() < style.flat_share:
        return Building((wing,), "flat", eaves + 2.0, 0.0, pick_roof(rng, FLAT), solar=solar, clutter_per_m2=0.012)
    wings: tuple[Wing, ...] = (wing,)
    if rng.random() < style.ell_share:
        wings = (wing, _rear_wing(rng, wing))
    elif style.gap > 1.0 and rng.random() < 0.3:
        # The gable end faces the street: turned, and narrower than deep.
        turned = replace(
            wing,
            angle_rad=wing.angle_rad + np.pi / 2,
            half_length_m=wing.half_width_m + 1.0,
            half_width_m=0.72 * wing.half_length_m,
        )
        wings = (turned,)
    pitch = rng.uniform(*style.pitch_deg)
    return Building(wings, form, eaves, pitch, material, solar=solar)


def _rear_wing(rng: np.random.Generator, wing: Wing) -> Wing:
    """Return a wing at a right angle behind one end of another."""
    half_width = min(0.34 * wing.half_length_m * 2, 3.6)
    reach = rng.uniform(3.5, 6.0)
    along = rng.choice([-1.0, 1.0]) * (wing.half_length_m - half_width)
    back = wing.half_width_m + reach / 2 - 1.5
    cos, sin = np.cos(wing.angle_rad), np.sin(wing.angle_rad)
    return Wing(
        float(wing.x_m + along * cos - back * sin),
        float(wing.y_m + along * sin + back * cos),
        float(wing.angle_rad + np.pi / 2),
        reach / 2 + 1.5,
        half_width,
    )


def _sheds(rng: np.random.Generator, lot: Lot) -> list[Building]:
    """Return garden sheds and back buildings to be tried inside a block."""
    inside = lot.polygon.buffer(-6.0)
    if inside.is_empty:
        return []
    min_x, min_y, max_x, max_y = inside.bounds
    angle, _, _ = long_axis(lot.polygon)
    old = lot.use is Use.OLD_TOWN
    size = 1.9 if old else 1.0
    sheds = []
    for _ in range(int(lot.polygon.area / (110 if old else 380))):
        wing = Wing(
            float(rng.uniform(min_x, max_x)),
            float(rng.uniform(min_y, max_y)),
            angle + float(rng.choice([0.0, np.pi / 2])),
            float(rng.uniform(1.6, 3.4)) * size,
            float(rng.uniform(1.3, 2.2)) * size,
        )
        roof = pick_roof(rng, (*FLAT, (0.4, spectra.TILE_BROWN)))
        form: RoofForm = "gable" if old and rng.random() < 0.5 else "flat"
        if inside.contains(wing.outline):
            sheds.append(Building((wing,), form, 2.4 * size, 30.0, roof))
    return sheds
