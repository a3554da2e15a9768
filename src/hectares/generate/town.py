"""A generated town: a georeferenced scene with an exact label for every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from hectares.generate.canvas import Canvas
from hectares.generate.cars import drive, paint_cars
from hectares.generate.ground import paint_ground
from hectares.generate.land import lay_ground
from hectares.generate.legend import CLASSES
from hectares.generate.light import Sun, illuminate, shade_terrain
from hectares.generate.network import Extent
from hectares.generate.noise import Textures
from hectares.generate.pavement import paint_roads
from hectares.generate.plan import draw_plan
from hectares.generate.roofs import paint_building
from hectares.generate.sensor import cloud_shadow, footprint, record
from hectares.generate.settlement import settle
from hectares.generate.vegetation import grow_trees, paint_trees

__all__ = ["BANDS", "CLASSES", "Town", "generate_town"]

BANDS = ("red", "green", "blue", "nir")
_CRS = "EPSG:32633"
_ORIGIN_M = (500_400.0, 5_400_200.0)  # easting and northing of the upper left corner


@dataclass(frozen=True)
class Town:
    """A generated scene with exact labels."""

    image: NDArray[np.uint16]  # (4, H, W), 0 where not valid
    valid: NDArray[np.bool_]  # (H, W)
    label: NDArray[np.uint8]  # (H, W) codes 1..7, 0 where not valid
    transform: Affine
    crs: str
    districts: tuple[tuple[str, shapely.Polygon], ...]  # in the coordinates of `crs`


def generate_town(shape: tuple[int, int] = (2048, 4096), *, seed: int = 7, gsd_m: float = 0.5) -> Town:
    """Return a town of `shape` (height, width); equal arguments give equal bytes.

    Args:
        shape: Height and width in pixels. Large scenes show every class; one of
            a few hundred pixels may lack some.
        seed: Which town.
        gsd_m: Size of a pixel on the ground in meters.
    """
    # One child generator per element: a change in one does not reshuffle the others.
    rng = np.random.default_rng(seed)
    for_plan, for_noise, for_ground, for_roads, for_houses, for_roofs = rng.spawn(6)
    for_cars, for_trees, for_crowns, for_sky, for_camera = rng.spawn(5)
    height, width = shape
    plan = draw_plan(for_plan, Extent(width * gsd_m, height * gsd_m))
    textures = Textures.draw(for_noise, shape, gsd_m)
    sun = Sun()

    settlement = settle(for_houses, plan)

    canvas = Canvas.blank(shape, gsd_m)
    density = paint_ground(canvas, lay_ground(for_ground, plan, settlement), textures, for_ground)
    shade_terrain(canvas, sun)
    paint_roads(canvas, plan, textures, for_roads)
    buildings = settlement.buildings
    for building, child in zip(buildings, for_roofs.spawn(len(buildings)), strict=True):
        paint_building(canvas, building, sun, textures, child)
    paint_cars(canvas, [*settlement.cars, *drive(for_cars, plan.roads)], for_cars)
    trees = grow_trees(for_trees, canvas, plan, settlement.hedges, density, textures)
    paint_trees(canvas, trees, sun, for_crowns)

    light = illuminate(canvas, sun, cloud_shadow(for_sky, shape, gsd_m))
    image = record(light, gsd_m, for_camera)
    valid = footprint(shape)
    image[:, ~valid] = 0
    transform = Affine(gsd_m, 0.0, _ORIGIN_M[0], 0.0, -gsd_m, _ORIGIN_M[1])
    return Town(
        image=image,
        valid=valid,
        label=np.where(valid, canvas.label, 0).astype(np.uint8),
        transform=transform,
        crs=_CRS,
        districts=tuple((name, _to_map(polygon)) for name, polygon in plan.districts),
    )


def _to_map(polygon: shapely.Polygon) -> shapely.Polygon:
    """Return a polygon of the plan frame in map coordinates: y turns to the north."""
    origin = np.array(_ORIGIN_M)
    return shapely.transform(polygon, lambda points: origin + points * (1.0, -1.0)).normalize()
