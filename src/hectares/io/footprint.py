"""Where a grid lies on the earth, in degrees."""

from __future__ import annotations

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from shapely.geometry.polygon import orient

from hectares.core.grid import Grid, parse_crs

_EDGE_POINTS = 32
_DIGITS = 7


def footprint(grid: Grid) -> shapely.Geometry | None:
    """Give the outline of a grid in degrees (WGS84), cut at the antimeridian; None without a place on the earth.

    Edges are straight in the CRS of the grid, so that points between the corners follow them.
    Source: RFC 7946, sections 3.1.6 and 3.1.9.

    >>> from affine import Affine
    >>> footprint(Grid("EPSG:4326", Affine(1, 0, 179, 0, -1, 11), (1, 2))).bounds
    (-180.0, 10.0, 180.0, 11.0)
    """
    if grid.crs is None:
        return None
    crs = parse_crs(grid.crs).to_2d()
    x, y = _outline(grid)
    lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return None
    turns = np.unwrap(lon, period=360)
    ring = list(zip(turns.tolist(), np.clip(lat, -90, 90).tolist(), strict=True))
    around = round((turns[-1] - turns[0]) / 360)
    if around:  # the pole lies inside: the outline runs around it once, and along it back
        pole = 90.0 if np.mean(lat) > 0 else -90.0
        ring += [(ring[-1][0], pole), (ring[0][0], pole)]
    return _cut(shapely.Polygon(ring))


def _outline(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the outer border of a grid in its CRS, closed."""
    height, width = grid.shape
    step = np.arange(_EDGE_POINTS) / _EDGE_POINTS
    cols = np.concatenate([step * width, np.full(_EDGE_POINTS, width), (1 - step) * width, np.zeros(_EDGE_POINTS + 1)])
    rows = np.concatenate([np.zeros(_EDGE_POINTS), step * height, np.full(_EDGE_POINTS, height), (1 - step) * height])
    rows = np.append(rows, 0.0)
    t = grid.transform
    return t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f


def _cut(outline: shapely.Polygon) -> shapely.Geometry | None:
    """Bring an outline, whose longitudes run on beyond 180, back into -180 to 180, as polygons that do not cross it."""
    outline = shapely.make_valid(outline) if not outline.is_valid else outline
    west, _, east, _ = outline.bounds
    parts: list[shapely.Polygon] = []
    for turn in range(int(np.floor((west + 180) / 360)), int(np.floor((east + 180) / 360)) + 1):
        piece = outline & shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90)
        moved = shapely.transform(piece, lambda points, by=360 * turn: points - [by, 0])
        parts += [p for p in shapely.get_parts(moved) if p.geom_type == "Polygon" and p.area > 0]
    whole = shapely.union_all([shapely.transform(p, lambda points: points.round(_DIGITS)) for p in parts])
    pieces = [orient(p, 1.0) for p in shapely.get_parts(whole) if p.geom_type == "Polygon"]  # joins halves of a globe
    if not pieces:
        return None
    return pieces[0] if len(pieces) == 1 else shapely.MultiPolygon(pieces)


def degree_box(geometry: shapely.Geometry) -> list[float]:
    """Give west, south, east, north; west is greater than east where the antimeridian is crossed."""
    west, south, east, north = geometry.bounds
    parts = shapely.get_parts(geometry)
    eastern = [p for p in parts if p.bounds[2] == 180]
    western = [p for p in parts if p.bounds[0] == -180]
    if len(parts) == len(eastern) + len(western) and eastern and western and set(eastern).isdisjoint(western):
        return [min(p.bounds[0] for p in eastern), south, max(p.bounds[2] for p in western), north]
    return [west, south, east, north]
