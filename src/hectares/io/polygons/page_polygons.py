"""Polygons as a page draws them: rings in pixels of a grid, with a name and an area."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import shapely

from hectares.core.grid import Grid, parse_crs
from hectares.errors import VectorError
from hectares.io.shapes.layer_name import split_layer_name
from hectares.io.shapes.vectors import VectorLayer, read_layer
from hectares.monitor import Monitor, Problem

Ring = list[float]
"""x, y, x, y ... in pixels of a grid, to a hundredth."""
_NAMES = ("class_name", "class", "name", "label")
_UNITS_M2 = {"area_m2": 1.0, "area_ha": 1e4, "area_km2": 1e6}
_FINE_PX = 0.05


@dataclass(frozen=True, slots=True)
class PagePolygon:
    """A polygon to draw, and what to tell about it."""

    name: str
    area_m2: float
    rings: tuple[Ring, ...]
    """Outer rings and holes; a point is inside if a ray from it crosses an odd number of lines."""


def read_page_polygons(file: str | Path, grid: Grid, most: int, monitor: Monitor) -> list[PagePolygon]:
    """Give the polygons of FILE or FILE:LAYER that lie on a grid; of more than `most`, the largest.

    The area is what the file says in area_m2, area_ha or area_km2, else that on the ellipsoid.
    """
    path, layer_name = split_layer_name(file)
    if grid.crs is None:
        raise VectorError(f"{path}: cannot be laid over a map without CRS")
    layer = read_layer(path, layer=layer_name, polygons=True)
    for note in layer.notes:
        monitor.problem(note)
    moved = layer.to_crs(grid.crs)
    frame = shapely.box(*grid.bounds)
    shown = np.flatnonzero(shapely.intersects(np.array(moved.geometries, dtype=object), frame)).tolist()
    if not shown:
        raise VectorError(f"{path}: no polygon lies on the map, which spans {grid.bounds} in {grid.crs}: check the CRS")
    areas, names = _areas(layer, shown), _names(layer, shown)
    order = np.argsort(-np.array(areas), kind="stable")
    if len(order) > most:
        what = f"{len(order):,} polygons lie on the map, the {most:,} largest are on the page"
        monitor.problem(Problem(str(path), what, "leave out the smallest when you make them, or give --max-polygons"))
        order = np.sort(order[:most])
    else:
        order = np.arange(len(order))
    return [PagePolygon(names[i], areas[i], rings_on(moved.geometries[shown[i]], grid)) for i in order]


def rings_on(geometry: shapely.Geometry, grid: Grid) -> tuple[Ring, ...]:
    """Give the rings of polygons in the CRS of a grid as pixels of it, without points that nobody could see.

    >>> from affine import Affine
    >>> grid = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), (20, 30))
    >>> rings_on(shapely.box(500_000, 4_999_980, 500_015, 5_000_000), grid)
    ([1.5, 2, 1.5, 0, 0, 0, 0, 2],)
    """
    a, b, c, d, e, f = (~grid.transform)[:6]
    pixels = shapely.transform(geometry, lambda p: p @ np.array([[a, d], [b, e]]) + (c, f))
    return tuple(_ring(ring) for ring in _rings(shapely.simplify(pixels, _FINE_PX)))


def label_point(geometry: shapely.Geometry, grid: Grid) -> Ring | None:
    """Give a place inside polygons and on a grid, as x and y in pixels of it; None if they lie beside the grid."""
    seen = shapely.intersection(geometry, shapely.box(*grid.bounds))
    if seen.is_empty:
        return None
    point = seen.representative_point()
    return [round(v, 2) for v in ~grid.transform @ (point.x, point.y)]


def _rings(geometry: shapely.Geometry) -> Iterator[shapely.Geometry]:
    for part in shapely.get_parts(geometry):
        if part.geom_type == "Polygon" and not part.is_empty:
            yield from shapely.get_rings(part)
        elif part.geom_type in {"MultiPolygon", "GeometryCollection"}:
            yield from _rings(part)


def _ring(ring: shapely.Geometry) -> Ring:
    points = shapely.get_coordinates(ring)[:-1].ravel()  # the last point is the first
    return [int(v) if v == int(v) else v for v in np.round(points, 2).tolist()]


def _areas(layer: VectorLayer, chosen: Sequence[int]) -> list[float]:
    for field, unit in _UNITS_M2.items():
        values = layer.attributes.get(field)
        if values is not None and all(isinstance(v, (int, float)) and np.isfinite(v) for v in values):
            return [float(values[i]) * unit for i in chosen]
    crs = parse_crs(layer.crs)
    geod = crs.get_geod()
    if geod is None:
        return [float(shapely.area(layer.geometries[i])) for i in chosen]
    degrees = pyproj.Transformer.from_crs(crs.to_2d(), (crs.geodetic_crs or crs).to_2d(), always_xy=True)
    lonlat = shapely.transform(
        np.array([layer.geometries[i] for i in chosen], dtype=object),
        lambda p: np.column_stack(degrees.transform(p[:, 0], p[:, 1])),
    )
    return [abs(geod.geometry_area_perimeter(shapely.orient_polygons(g))[0]) for g in lonlat]


def _names(layer: VectorLayer, chosen: Sequence[int]) -> list[str]:
    known = {name.lower(): name for name in layer.attributes}
    field = next((known[n] for n in _NAMES if n in known), None)
    if field is None:
        return [f"polygon {layer.ids[i]}" for i in chosen]
    return [
        str(v) if (v := layer.attributes[field][i]) not in (None, "") else f"polygon {layer.ids[i]}" for i in chosen
    ]
