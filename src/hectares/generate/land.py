"""The ground of each lot: which cover lies where, from crops to building sites."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from hectares.generate import spectra
from hectares.generate.ground import Cover, Patch
from hectares.generate.legend import Code
from hectares.generate.network import wander
from hectares.generate.plan import Lot, Plan, Use
from hectares.generate.roofs import Wing
from hectares.generate.subdivision import long_axis, polygons_of, subdivide

if TYPE_CHECKING:
    from hectares.generate.settlement import Settlement

BANK = Cover(Code.GRASS, spectra.MEADOW, spectra.MEADOW_PALE, mottle=0.3, blotch=0.25, grain=0.1, trees_per_ha=95)
_WILD = replace(BANK, trees_per_ha=14)
_LAWN = Cover(Code.GRASS, spectra.LAWN, spectra.LAWN_DRY, 0.25, mottle=0.22, blotch=0.12, grain=0.06)
_PARK = replace(_LAWN, trees_per_ha=75, blotch=0.1)
_GARDEN = Cover(Code.GRASS, spectra.LAWN, spectra.LAWN_DRY, 0.3, mottle=0.3, blotch=0.3, grain=0.1, trees_per_ha=62)
_FOREST = Cover(Code.TREE, spectra.FOREST_FLOOR, spectra.LEAF_DARK, 0.3, blotch=0.3, grain=0.12, trees_per_ha=420)
_SANDBANK = Cover(Code.BARE, spectra.SAND, spectra.GRAVEL_GRAY, 0.45, mottle=0.35, blotch=0.4, grain=0.07)
_GRAVEL = Cover(Code.BARE, spectra.GRAVEL, spectra.SOIL_LIGHT, 0.4, mottle=0.5, blotch=0.5, grain=0.11)
_SOIL = Cover(Code.BARE, spectra.SOIL_LIGHT, spectra.SOIL_DARK, 0.35, mottle=0.35, blotch=0.25, grain=0.08)
_RED_SOIL = replace(_SOIL, base=spectra.SOIL_RED, alt=spectra.SOIL_LIGHT, alt_share=0.2, mottle=0.2, blotch=0.1)
_ROCK = Cover(Code.BARE, spectra.ROCK, spectra.SOIL_LIGHT, 0.4, mottle=0.45, blotch=0.5, grain=0.11)
_RUBBLE = replace(_ROCK, alt=spectra.GRAVEL_GRAY, alt_share=0.6)
_CONCRETE_YARD = Cover(Code.ROAD, spectra.CONCRETE, spectra.ASPHALT_OLD, 0.5, mottle=0.3, blotch=0.1, grain=0.04)
_WORN_YARD = Cover(Code.ROAD, spectra.ASPHALT_OLD, spectra.GRAVEL_GRAY, 0.4, mottle=0.4, blotch=0.15, grain=0.05)
_COURT = Cover(Code.ROAD, spectra.PAVERS, spectra.ASPHALT_OLD, 0.35, mottle=0.3, blotch=0.15, grain=0.06)
_WATER = Cover(Code.WATER, spectra.WATER_DEEP, spectra.WATER_SHALLOW, 0.3, mottle=0.16, blotch=0.05, grain=0.04)
_POND = Cover(Code.WATER, spectra.POND, spectra.WATER_SHALLOW, 0.15, mottle=0.12, grain=0.03)

# Crops and tilled land in mid-season, with how common they are. What is ploughed
# and carries nothing yet is bare ground. The row angle is set per field.
_CROPS: tuple[tuple[float, Cover], ...] = (
    (0.19, Cover(Code.CROPLAND, spectra.WHEAT, spectra.WHEAT_TURNING, 0.25, mottle=0.22, grain=0.035,
                 pass_width_m=3.0, pass_depth=0.022, tramline_depth=0.55)),
    (0.10, Cover(Code.CROPLAND, spectra.WHEAT_TURNING, spectra.GRAIN_RIPE, 0.3, mottle=0.25, grain=0.04,
                 pass_width_m=3.0, pass_depth=0.025, tramline_depth=0.4)),
    (0.12, Cover(Code.CROPLAND, spectra.GRAIN_RIPE, spectra.SOIL_LIGHT, 0.2, mottle=0.2, grain=0.04,
                 pass_width_m=3.0, pass_depth=0.025, tramline_depth=0.5)),
    (0.11, Cover(Code.CROPLAND, spectra.MAIZE, spectra.SOIL_DARK, 0.22, mottle=0.12, grain=0.07,
                 row_spacing_m=1.5, row_depth=0.22, pass_width_m=4.5, pass_depth=0.03)),
    (0.09, Cover(Code.CROPLAND, spectra.BEET, spectra.SOIL_LIGHT, 0.22, mottle=0.15, grain=0.06,
                 row_spacing_m=1.8, row_depth=0.18, pass_width_m=5.4, pass_depth=0.02, tramline_m=27.0,
                 tramline_depth=0.4)),
    (0.08, Cover(Code.CROPLAND, spectra.SOIL_LIGHT, spectra.BEET, 0.3, mottle=0.15, grain=0.05,
                 row_spacing_m=3.0, row_depth=0.25, pass_width_m=6.0, pass_depth=0.04)),
    (0.12, Cover(Code.BARE, spectra.SOIL_DARK, spectra.SOIL_LIGHT, 0.3, mottle=0.3, grain=0.07,
                 row_spacing_m=2.4, row_depth=0.16, pass_width_m=4.8, pass_depth=0.05)),
    (0.06, Cover(Code.BARE, spectra.SOIL_RED, spectra.SOIL_LIGHT, 0.3, mottle=0.3, grain=0.05,
                 row_spacing_m=2.0, row_depth=0.10, pass_width_m=6.0, pass_depth=0.05)),
    (0.09, Cover(Code.CROPLAND, spectra.SOIL_LIGHT, spectra.STRAW, 0.5, mottle=0.15, grain=0.05,
                 row_spacing_m=6.0, row_depth=0.32, pass_width_m=6.0, pass_depth=0.03)),
    (0.04, Cover(Code.CROPLAND, spectra.RAPESEED, spectra.WHEAT, 0.2, mottle=0.2, grain=0.05,
                 pass_width_m=3.0, pass_depth=0.02, tramline_depth=0.6)),
)  # fmt: skip


def lay_ground(rng: np.random.Generator, plan: Plan, settlement: Settlement) -> list[Patch]:
    """Return the ground of the whole world, in painting order."""
    for_river, *for_lots = rng.spawn(len(plan.lots) + 1)
    patches = [Patch(plan.extent.polygon, _WILD), Patch(plan.river.corridor, BANK)]
    for lot, child in zip(plan.lots, for_lots, strict=True):
        patches += _lay_lot(child, lot)
    patches += [Patch(yard, _tinted(rng, _GRAVEL)) for yard in settlement.yards]
    for drive in settlement.driveways:
        paving = (_CONCRETE_YARD, _WORN_YARD, _COURT)[rng.integers(3)]
        patches.append(Patch(drive, _tinted(rng, replace(paving, mottle=0.1))))
    for square in settlement.squares:
        patches += [Patch(square, _COURT), Patch(square.buffer(-12.0), replace(_PARK, trees_per_ha=130))]
    patches += _water(for_river, plan)
    return patches


def _water(rng: np.random.Generator, plan: Plan) -> list[Patch]:
    """Return the river, darker towards its deep middle, its bars of sand, and the pond."""
    river, depth_m = plan.river.water, max(3.2 * plan.extent.scale, 1.0)
    patches = [
        Patch(river.buffer(-depth_m * step), replace(_WATER, alt_share=share), level_m=-1.6)
        for step, share in enumerate((0.95, 0.75, 0.55, 0.4, 0.28))
    ]
    patches += [Patch(bar, _tinted(rng, _SANDBANK), level_m=-0.9) for bar in plan.river.bars]
    if not plan.pond.is_empty:
        patches.append(Patch(plan.pond.buffer(5.0), BANK, level_m=-0.4))
        patches += [
            Patch(plan.pond.buffer(-2.5 * step), replace(_POND, alt_share=share), level_m=-1.4)
            for step, share in enumerate((0.8, 0.5, 0.3, 0.2))
        ]
    return patches


def _lay_lot(rng: np.random.Generator, lot: Lot) -> list[Patch]:
    """Return the ground of one lot."""
    polygon = lot.polygon
    match lot.use:
        case Use.FIELDS:
            return _field(rng, polygon)
        case Use.OLD_TOWN:
            return [Patch(polygon, _tinted(rng, _COURT)), *_courtyards(rng, polygon)]
        case Use.HOUSING:
            return [Patch(polygon, _tinted(rng, _GARDEN)), *_gardens(rng, polygon)]
        case Use.ESTATE:
            return [Patch(polygon, _tinted(rng, replace(_LAWN, trees_per_ha=34)))]
        case Use.INDUSTRY:
            yard = (_CONCRETE_YARD, _WORN_YARD, _GRAVEL, _GRAVEL)[rng.integers(4)]
            inside = polygon.buffer(-rng.uniform(2.0, 6.0))
            return [Patch(polygon, replace(_WILD, trees_per_ha=45)), Patch(inside, _tinted(rng, yard))]
        case Use.PARK:
            return _park(rng, polygon)
        case Use.BUILDING_SITE:
            return _building_site(rng, polygon)
        case Use.QUARRY:
            return _quarry(rng, polygon)
        case Use.WOOD:
            return _wood(rng, polygon)
        case Use.MEADOW | Use.ORCHARD:
            return _meadow(rng, polygon)


def _tinted(rng: np.random.Generator, cover: Cover) -> Cover:
    """Return a cover a little brighter or darker, drier or fresher than the given one."""
    gain = rng.uniform(0.78, 1.26)
    hue = rng.normal(1.0, 0.012, 4) * gain
    base, alt = (
        (spectrum[0] * hue[0], spectrum[1] * hue[1], spectrum[2] * hue[2], spectrum[3] * hue[3])
        for spectrum in (cover.base, cover.alt)
    )
    share = float(np.clip(cover.alt_share + rng.normal(0.0, 0.12), 0.0, 1.0))
    return replace(cover, base=base, alt=alt, alt_share=share)


def _field(rng: np.random.Generator, polygon: shapely.Polygon) -> list[Patch]:
    """Return a field: a grassy margin, the crop in rows and headlands across its ends."""
    shares = np.array([share for share, _ in _CROPS])
    crop = _tinted(rng, _CROPS[rng.choice(len(_CROPS), p=shares / shares.sum())][1])
    direction, length, _ = long_axis(polygon)
    along = replace(crop, row_angle_rad=direction + np.pi / 2)
    headland = replace(crop, row_angle_rad=direction, pass_depth=1.3 * crop.pass_depth)
    inside = polygon.buffer(-rng.uniform(0.6, 1.6))
    depth_m = rng.uniform(9.0, 15.0)
    if length < 6 * depth_m:
        return [Patch(inside, along)]
    center = polygon.minimum_rotated_rectangle.centroid
    axis = np.array([np.cos(direction), np.sin(direction)]) * (length / 2 - depth_m)
    core = inside.intersection(
        shapely.LineString([center.coords[0] - axis, center.coords[0] + axis]).buffer(length, cap_style="flat")
    )
    return [Patch(inside, headland), Patch(core, along)]


def _courtyards(rng: np.random.Generator, block: shapely.Polygon) -> list[Patch]:
    """Return what fills the inside of an old block: paved yards, gravel, small gardens."""
    inside = block.buffer(-13.0)
    patches = []
    for heart in polygons_of(inside):
        for part in subdivide(rng, heart, 170.0, sag=0.0)[0]:
            cover = (_GARDEN, _GARDEN, _GRAVEL, _COURT, _CONCRETE_YARD)[rng.integers(5)]
            patches.append(Patch(part, _tinted(rng, cover)))
    return patches


def _gardens(rng: np.random.Generator, block: shapely.Polygon) -> list[Patch]:
    """Return the gardens behind the houses of a block, no two kept alike."""
    parts, _ = subdivide(rng, block, 480.0, sag=0.0)
    patches = []
    for part in parts:
        kind = rng.random()
        if kind < 0.6:
            patches.append(Patch(part, _tinted(rng, _LAWN if kind < 0.35 else _GARDEN)))
        elif kind < 0.68:
            x, y = part.representative_point().coords[0]
            bed = shapely.box(x - 3.5, y - 2.5, x + rng.uniform(2, 6), y + rng.uniform(2, 5))
            patches.append(Patch(bed.intersection(part), _tinted(rng, _SOIL)))
    return patches


def _park(rng: np.random.Generator, polygon: shapely.Polygon) -> list[Patch]:
    """Return a park: lawns under trees, winding paths and, with room, a sports pitch."""
    patches = [Patch(polygon, _tinted(rng, _PARK))]
    edge = polygon.buffer(-1.0).exterior
    stops = [edge.interpolate(share, normalized=True) for share in rng.uniform(0, 1) + np.arange(5) / 5 - 0.5]
    heart = polygon.representative_point()
    path = replace(_GRAVEL, code=Code.ROAD, alt=spectra.SAND)
    for stop in stops:
        if stop.distance(heart) > 15.0:
            start, end = (heart.x, heart.y), (stop.x, stop.y)
            line = wander(rng, start, end, 0.07 * stop.distance(heart), 110.0)
            patches.append(Patch(line.buffer(1.3).intersection(polygon), path))
    ring = polygon.buffer(-22.0).buffer(-8.0).buffer(8.0)
    patches += [Patch(part.exterior.buffer(1.2), path) for part in polygons_of(ring)]
    return patches + _pitch(rng, polygon)


def _pitch(rng: np.random.Generator, polygon: shapely.Polygon) -> list[Patch]:
    """Return a football pitch with its mowing stripes and lines, or nothing where it is tight."""
    angle, length, width = long_axis(polygon)
    center = polygon.centroid
    for share in (-0.27, 0.27, 0.0):
        x = center.x + share * length * np.cos(angle)
        y = center.y + share * length * np.sin(angle)
        pitch = Wing(x, y, angle + (np.pi / 2 if length < width else 0.0), 46.0, 30.0)
        if not polygon.buffer(-6.0).contains(pitch.outline):
            continue
        turf = replace(
            _LAWN, alt=spectra.MEADOW_PALE, mottle=0.08, row_angle_rad=pitch.angle_rad,
            row_spacing_m=11.0, row_depth=0.2, trees_per_ha=0.0,
        )  # fmt: skip
        chalk = replace(turf, base=spectra.MARKING, alt=spectra.LAWN, alt_share=0.35, row_depth=0.0)
        halfway = replace(pitch, half_length_m=0.1).outline
        lines = [pitch.outline.boundary, halfway.boundary, shapely.Point(x, y).buffer(9.0).boundary]
        for side in (-1, 1):
            box = replace(
                pitch,
                x_m=x + side * 38.0 * np.cos(pitch.angle_rad),
                y_m=y + side * 38.0 * np.sin(pitch.angle_rad),
                half_length_m=8.0,
                half_width_m=18.0,
            )
            lines.append(box.outline.boundary)
        apron = Patch(pitch.outline.buffer(4.0), _tinted(rng, turf))
        return [apron, *(Patch(line.buffer(0.28), chalk) for line in lines)]
    return []


def _blob(
    rng: np.random.Generator,
    x_m: float,
    y_m: float,
    radius_m: float,
    *,
    flatness: float = 1.0,
    roughness: float = 1.0,
) -> shapely.Polygon:
    """Return a rounded, irregular outline around a point."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = np.full_like(angle, radius_m)
    for wave in range(2, 7):
        radius *= 1 + rng.normal(0, 0.22 * roughness / wave) * np.cos(wave * angle + rng.uniform(0, 6.28))
    turn = rng.uniform(0, np.pi)
    u, v = radius * np.cos(angle), flatness * radius * np.sin(angle)
    x = x_m + u * np.cos(turn) - v * np.sin(turn)
    y = y_m + u * np.sin(turn) + v * np.cos(turn)
    return shapely.Polygon(np.stack([x, y], axis=1))


def _building_site(rng: np.random.Generator, polygon: shapely.Polygon) -> list[Patch]:
    """Return stripped soil with spoil heaps, excavations, wheel tracks and gravel."""
    soil = _RED_SOIL if rng.random() < 0.5 else _SOIL
    inside = polygon.buffer(-3.0)
    patches = [Patch(polygon, _WILD), Patch(inside, _tinted(rng, soil))]
    min_x, min_y, max_x, max_y = polygon.bounds
    for _ in range(int(polygon.area / 900) + 2):
        x, y = rng.uniform(min_x, max_x), rng.uniform(min_y, max_y)
        cover = (_SOIL, _RED_SOIL, _GRAVEL, _ROCK)[rng.integers(4)]
        blob = _blob(rng, x, y, rng.uniform(4.0, 13.0), flatness=rng.uniform(0.4, 1.0))
        patches.append(Patch(blob.intersection(inside), _tinted(rng, cover)))
    patches += _heaps(rng, inside, int(polygon.area / 1600) + 1, (3.0, 6.5))
    patches += _haul_roads(rng, polygon, 2)
    angle, length, width = long_axis(polygon)
    pit = Wing(polygon.centroid.x, polygon.centroid.y, angle, 0.22 * length, 0.2 * width).outline
    return [*patches, Patch(pit.intersection(inside), _tinted(rng, soil), level_m=-3.0)]


def _heaps(
    rng: np.random.Generator, polygon: shapely.Polygon, count: int, radius_m: tuple[float, float]
) -> list[Patch]:
    """Return heaps of soil or gravel, steps that the terrain rounds off into cones."""
    min_x, min_y, max_x, max_y = polygon.bounds
    patches = []
    for _ in range(count):
        x, y, radius = rng.uniform(min_x, max_x), rng.uniform(min_y, max_y), rng.uniform(*radius_m)
        cover = _tinted(rng, (_SOIL, _GRAVEL, _ROCK, _SOIL)[rng.integers(4)])
        blob = _blob(rng, x, y, radius, flatness=rng.uniform(0.5, 1.0))
        if polygon.contains(blob):
            steps = range(int(radius / 1.6))
            patches += [Patch(blob.buffer(-1.5 * step), cover, level_m=0.8 + 1.0 * step) for step in steps]
    return patches


def _haul_roads(rng: np.random.Generator, polygon: shapely.Polygon, count: int) -> list[Patch]:
    """Return bare tracks, worn pale by wheels, from the edge of a lot to its middle."""
    heart, edge = polygon.representative_point(), polygon.exterior
    patches = []
    for _ in range(count):
        stop = edge.interpolate(rng.uniform(), normalized=True)
        if stop.distance(heart) > 12.0:
            start, end = (stop.x, stop.y), (heart.x, heart.y)
            line = wander(rng, start, end, 0.08 * stop.distance(heart), 140.0)
            pale = replace(_GRAVEL, base=spectra.SAND, alt=spectra.SOIL_LIGHT, mottle=0.2)
            patches.append(Patch(line.buffer(2.2).intersection(polygon), pale))
    return patches


def _quarry(rng: np.random.Generator, polygon: shapely.Polygon) -> list[Patch]:
    """Return a pit in benches of rock, with heaps on its floor and scrub around it."""
    patches = [Patch(polygon, replace(_WILD, trees_per_ha=130)), *_haul_roads(rng, polygon, 1)]
    _, _, width = long_axis(polygon)
    x, y = polygon.centroid.coords[0]
    outer = polygon.buffer(-4.0)
    # Each bench is a ragged outline of its own, shifted towards the working face.
    face = rng.uniform(0, 2 * np.pi)
    bench, covers = outer, (_SOIL, _ROCK, _ROCK, _RUBBLE, _ROCK)
    for depth, cover in enumerate(covers):
        radius = width * (0.47 - 0.075 * depth)
        shift = 0.035 * width * depth
        ragged = _blob(rng, x + shift * np.cos(face), y + shift * np.sin(face), radius, flatness=0.82, roughness=1.5)
        bench = bench.buffer(-2.5).intersection(ragged)
        if bench.is_empty:
            break
        patches.append(Patch(bench, _tinted(rng, cover), level_m=-3.5 * depth))
    floor = patches[-1]
    heaps = _heaps(rng, floor.polygon, 14, (2.5, 7.0))
    patches += [replace(heap, level_m=heap.level_m + floor.level_m) for heap in heaps]
    return patches + _heaps(rng, outer, 5, (3.0, 6.0))


def _wood(rng: np.random.Generator, polygon: shapely.Polygon) -> list[Patch]:
    """Return a wood whose edge runs in and out, behind a fringe of bushes."""
    heart = polygon.buffer(-13.0)
    rims = [part.exterior for part in polygons_of(heart)]
    lobes = [
        rim.interpolate(at).buffer(rng.uniform(4.0, 12.0)) for rim in rims for at in np.arange(0.0, rim.length, 7.0)
    ]
    forest = shapely.union_all([heart, *lobes]).intersection(polygon)
    return [Patch(polygon, replace(_WILD, trees_per_ha=55)), Patch(forest, _FOREST)]


def _meadow(rng: np.random.Generator, polygon: shapely.Polygon) -> list[Patch]:
    """Return meadows in strips, some mown in swaths and so much like a field."""
    parts, _ = subdivide(rng, polygon, 11000.0)
    patches = []
    for part in parts:
        direction, _, _ = long_axis(part)
        wild = replace(_WILD, trees_per_ha=6)
        fresh = (spectra.MEADOW, spectra.WHEAT, spectra.BEET, spectra.WHEAT_TURNING)[rng.integers(4)]
        mown = Cover(
            Code.GRASS, fresh, spectra.MEADOW_PALE, 0.35, mottle=0.25, grain=0.05,
            row_angle_rad=direction + np.pi / 2, row_spacing_m=5.0, row_depth=0.18,
            pass_width_m=5.0, pass_depth=0.03,
        )  # fmt: skip
        patches.append(Patch(part, _tinted(rng, mown if rng.random() < 0.5 else wild)))
    return patches
