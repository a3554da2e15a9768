"""Polygons of a map in longitude and latitude, cut where longitude jumps from 180 to -180."""

from __future__ import annotations

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from hectares.core.grid import Grid, parse_crs
from hectares.errors import GridError

Geometries = NDArray[np.object_]
LONLAT = "EPSG:4326"
_SHARES = np.linspace(0, 1, 9)
"""Places along the edges of a map at which its longitudes are looked up."""


class LonLat:
    """Brings polygons from the CRS of a grid to WGS84."""

    def __init__(self, grid: Grid) -> None:
        assert grid.crs is not None  # checked by `check_place`
        self._transformer = pyproj.Transformer.from_crs(parse_crs(grid.crs).to_2d(), LONLAT, always_xy=True)
        height, width = grid.shape
        middle = grid.transform @ (width / 2, height / 2)
        self._center = float(self._transformer.transform(*middle)[0])
        if not np.isfinite(self._center):
            raise GridError(f"the middle of the map lies outside the domain of {grid.crs[:40]}; reproject the map")
        self._refuse_poles(grid)
        edge = np.concatenate([grid.transform @ (width * t, height * s) for t in _SHARES for s in _SHARES]).reshape(
            -1, 2
        )
        lon = self._project(edge)[:, 0]
        self.may_cut = bool(lon.max() > 180 or lon.min() < -180)

    def _refuse_poles(self, grid: Grid) -> None:
        """Refuse a map of a pole: a polygon around it has no outline in longitude and latitude."""
        if grid.is_geographic:
            return
        west, south, east, north = grid.bounds
        for lat in (-90, 90):
            x, y = self._transformer.transform(0, lat, direction="INVERSE")
            if west < x < east and south < y < north:
                raise GridError("the map has a pole inside, which polygons cannot lie around; write .gpkg or .fgb")

    def __call__(self, polygons: Geometries) -> Geometries:
        """Give polygons as WGS84, counterclockwise; one that crosses the antimeridian becomes a multipolygon."""
        moved: Geometries = shapely.transform(polygons, self._project)
        bounds = shapely.bounds(moved)
        for i in np.flatnonzero((bounds[:, 0] < -180) | (bounds[:, 2] > 180)):
            moved[i] = _cut(moved[i])
        oriented: Geometries = shapely.orient_polygons(moved)
        return oriented

    def _project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give longitudes that do not jump within the map."""
        lon, lat = self._transformer.transform(points[:, 0], points[:, 1])
        lon = np.where(lon - self._center > 180, lon - 360, np.where(lon - self._center < -180, lon + 360, lon))
        result = np.column_stack([lon, lat])
        if not np.isfinite(result).all():
            raise GridError("some pixels have no longitude and latitude; crop the map, or write .gpkg or .fgb")
        return result


def _cut(polygon: shapely.Polygon) -> shapely.Geometry:
    """Cut at longitude ±180, and bring what lies beyond to the other side."""
    parts = []
    for turns in (-1, 0, 1):
        inside = shapely.intersection(polygon, shapely.box(360 * turns - 180, -91, 360 * turns + 180, 91))
        pieces = shapely.get_parts(inside)
        areas = pieces[(shapely.get_type_id(pieces) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(pieces)]
        parts += shapely.transform(areas, lambda p, turns=turns: p - [360 * turns, 0]).tolist()
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
