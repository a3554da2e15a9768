"""The plan of the town: who uses which piece of land, and the streets between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.generate.network import (
    Extent,
    River,
    Road,
    RoadKind,
    draw_districts,
    draw_main_roads,
    draw_river,
)
from hectares.generate.subdivision import long_axis, polygons_of, subdivide


class Use(Enum):
    """What a piece of land is used for."""

    OLD_TOWN = "old town"
    HOUSING = "housing"
    ESTATE = "estate"
    INDUSTRY = "industry"
    PARK = "park"
    BUILDING_SITE = "building site"
    FIELDS = "fields"
    MEADOW = "meadow"
    ORCHARD = "orchard"
    WOOD = "wood"
    QUARRY = "quarry"


# Share of the land for each use, from the center of a town outwards. Each half
# of the world fills its own quota, so that east and west are alike.
_INNER: dict[Use, float] = {
    Use.OLD_TOWN: 0.075,
    Use.HOUSING: 0.26,
    Use.ESTATE: 0.055,
    Use.INDUSTRY: 0.09,
    Use.PARK: 0.04,
    Use.BUILDING_SITE: 0.025,
}
_OUTER: dict[Use, float] = {
    Use.FIELDS: 0.275,
    Use.MEADOW: 0.05,
    Use.ORCHARD: 0.02,
    Use.WOOD: 0.07,
    Use.QUARRY: 0.03,
}
_URBAN = frozenset({Use.OLD_TOWN, Use.HOUSING, Use.ESTATE, Use.INDUSTRY, Use.BUILDING_SITE})
# Size of a block between streets in square meters.
_MIN_DEPTH_M = 42.0  # two rows of houses back to back
_BLOCK_M2 = {Use.OLD_TOWN: 3300.0, Use.HOUSING: 7000.0, Use.ESTATE: 16000.0, Use.INDUSTRY: 24000.0}


@dataclass(frozen=True)
class Lot:
    """A piece of land of one use that no road crosses."""

    polygon: shapely.Polygon
    use: Use


@dataclass(frozen=True)
class Plan:
    """Where everything goes, in the plan frame (meters, x right, y down)."""

    extent: Extent
    river: River
    pond: shapely.Polygon
    roads: tuple[Road, ...]
    lots: tuple[Lot, ...]
    hedges: tuple[shapely.LineString, ...]
    districts: tuple[tuple[str, shapely.Polygon], ...]


def draw_plan(rng: np.random.Generator, extent: Extent) -> Plan:
    """Return the plan of a world of the given size."""
    for_river, for_roads, for_cells, for_uses, for_streets = rng.spawn(5)
    river = draw_river(for_river, extent)
    main_roads = draw_main_roads(for_roads, extent)
    cells, cuts = _draw_cells(for_cells, extent, river, main_roads)
    uses = _assign_uses(for_uses, extent, cells)
    side_roads, hedges = _roads_on_cuts(for_streets, cuts, cells, uses)
    pieces, inner_roads, inner_hedges = _divide_cells(for_streets, cells, uses)
    roads = (*inner_roads, *side_roads, *main_roads)
    taken = shapely.union_all([road.corridor for road in roads])
    lots = [
        Lot(part, use) for piece, use in pieces for part in polygons_of(piece.difference(taken)) if part.area > 40.0
    ]
    old_town = shapely.union_all([lot.polygon for lot in lots if lot.use is Use.OLD_TOWN])
    return Plan(
        extent=extent,
        river=river,
        pond=_draw_pond(for_river, lots),
        roads=roads,
        lots=tuple(lots),
        hedges=(*hedges, *inner_hedges),
        districts=draw_districts(extent, river, main_roads, old_town),
    )


def _draw_cells(
    rng: np.random.Generator, extent: Extent, river: River, roads: list[Road]
) -> tuple[list[shapely.Polygon], list[shapely.LineString]]:
    """Return the land between river and main roads in cells, and the cuts between them."""
    land = extent.polygon.difference(river.corridor)
    lines = shapely.union_all([land.boundary, *(road.line for road in roads)])
    area_m2 = float(np.clip(extent.polygon.area / 60.0, 2500.0, 36000.0))
    cells, cuts = [], []
    for part in polygons_of(shapely.polygonize(shapely.get_parts(lines))):
        if not land.contains(part.representative_point()):
            continue
        pieces, inner = subdivide(rng, part, area_m2)
        cells.extend(pieces)
        cuts.extend(inner)
    return cells, cuts


def _assign_uses(rng: np.random.Generator, extent: Extent, cells: list[shapely.Polygon]) -> list[Use]:
    """Return the use of each cell: towns in the middle of each half, land around them."""
    centers = np.array([cell.centroid.coords[0] for cell in cells])
    areas = np.array([cell.area for cell in cells])
    uses = [Use.FIELDS] * len(cells)
    for start in (0.0, 0.5):
        span = extent.width_m / 2
        members = np.flatnonzero((centers[:, 0] // span).clip(0, 1) == round(2 * start))
        nucleus = np.array(
            [
                extent.width_m * start + span * rng.uniform(0.42, 0.58),
                extent.height_m * rng.uniform(0.42, 0.58),
            ]
        )
        offset = (centers[members] - nucleus) / (1.15 * span, extent.height_m)
        distance = np.hypot(*offset.T) * rng.uniform(0.88, 1.12, len(members))
        order = members[np.argsort(distance)]
        for index, use in zip(order, _fill_quotas(rng, areas[order]), strict=True):
            uses[index] = use
    return uses


def _fill_quotas(rng: np.random.Generator, areas: NDArray[np.float64]) -> list[Use]:
    """Return the use of cells of the given areas, sorted from the center outwards."""
    total = float(areas.sum())
    inner_share = sum(_INNER.values())
    left = {use: share * total for use, share in (_INNER | _OUTER).items()}
    uses, passed = [], 0.0
    for area in areas:
        inner = passed + area / 2 < inner_share * total
        choices = list(_INNER if inner else _OUTER)
        if passed == 0.0:
            use = Use.OLD_TOWN
        else:
            # What lacks most of its quota comes next; the square root lets the
            # small uses have their one cell before the large ones are full.
            want = [max(left[use], 0.0) ** 0.5 * rng.uniform(0.7, 1.3) + 1e-3 * left[use] for use in choices]
            use = choices[int(np.argmax(want))]
        left[use] -= area
        passed += area
        uses.append(use)
    return uses


def _roads_on_cuts(
    rng: np.random.Generator,
    cuts: list[shapely.LineString],
    cells: list[shapely.Polygon],
    uses: list[Use],
) -> tuple[list[Road], list[shapely.LineString]]:
    """Return the roads and hedges on the borders of cells, by what lies beside them."""
    tree = shapely.STRtree(cells)
    roads: list[Road] = []
    hedges = []
    for cut in cuts:
        beside = tree.query(cut.interpolate(0.5, normalized=True), "dwithin", distance=2.0)
        neighbors = {uses[index] for index in beside}
        if neighbors & _URBAN:
            roads.append(Road(cut, "street"))
        elif rng.random() < 0.55:
            roads.append(Road(cut, "track"))
        elif rng.random() < 0.6:
            hedges.append(cut)
    return roads, hedges


def _divide_cells(
    rng: np.random.Generator, cells: list[shapely.Polygon], uses: list[Use]
) -> tuple[list[tuple[shapely.Polygon, Use]], list[Road], list[shapely.LineString]]:
    """Return blocks and parcels with their use, the roads and the hedges between them."""
    pieces: list[tuple[shapely.Polygon, Use]] = []
    roads: list[Road] = []
    hedges: list[shapely.LineString] = []
    for cell, use in zip(cells, uses, strict=True):
        if use is Use.FIELDS:
            parts, cuts = subdivide(rng, cell, rng.uniform(9000.0, 26000.0), sag=0.03)
            hedges.extend(cut for cut in cuts if rng.random() < 0.16)
        elif use in _BLOCK_M2:
            parts, cuts = subdivide(rng, cell, _BLOCK_M2[use], min_width_m=_MIN_DEPTH_M)
            kind: RoadKind = "alley" if use is Use.OLD_TOWN else "street"
            roads.extend(Road(cut, kind) for cut in cuts)
        else:
            parts = [cell]
        pieces.extend((part, use) for part in parts)
    return pieces, roads, hedges


def _draw_pond(rng: np.random.Generator, lots: list[Lot]) -> shapely.Polygon:
    """Return a pond in the largest park or meadow, empty where there is none."""
    green = [lot.polygon for lot in lots if lot.use in {Use.PARK, Use.MEADOW}]
    if not green:
        return shapely.Polygon()
    home = max(green, key=lambda polygon: float(polygon.area))
    _, _, width = long_axis(home)
    center = home.representative_point()
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radius = np.full_like(angle, 0.25 * width)
    for wave in (2, 3, 4, 5, 7):
        radius *= 1 + rng.normal(0, 0.30 / wave**0.6) * np.cos(wave * angle + rng.uniform(0, 6.28))
    blob = shapely.Polygon(np.stack([center.x + radius * np.cos(angle), center.y + radius * np.sin(angle)], axis=1))
    parts = polygons_of(blob.intersection(home.buffer(-6.0)))
    return max(parts, key=lambda part: float(part.area)) if parts else shapely.Polygon()
