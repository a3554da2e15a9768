"""Outlines as polygons, and outlines simplified together, so that neighbors keep their shared borders."""

from __future__ import annotations

import math

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.polygons.outlines import Faces, arrange, offsets

Geometries = NDArray[np.object_]


def polygon_transform(grid: Grid) -> Affine:
    """Give the way from (column, row) to the coordinates of polygons: as GIS show a raster without a place."""
    return grid.transform if not grid.transform.is_identity else Affine(1, 0, 0, 0, -1, 0)


def to_polygons(faces: Faces, transform: Affine) -> Geometries:
    """Give the polygon of each object, (F,), counterclockwise, with (x, y) from (column, row) by the transform.

    >>> from hectares.core.polygons.outlines import trace_faces
    >>> faces = trace_faces(np.zeros((1, 2), np.uint8), wanted=np.ones(256, bool))
    >>> print(to_polygons(faces, Affine(10, 0, 500, 0, -10, 900))[0])
    POLYGON ((500 900, 500 890, 520 890, 520 900, 500 900))
    """
    sizes = np.diff(faces.rings)
    rings = offsets(sizes + 1)
    closing = np.zeros(rings[-1], np.bool_)
    closing[rings[1:] - 1] = True
    row, col = faces.points.astype(np.float64).T
    points = np.empty((rings[-1], 2))
    points[~closing] = np.column_stack(
        [transform.a * col + transform.b * row + transform.c, transform.d * col + transform.e * row + transform.f]
    )
    points[rings[1:] - 1] = points[rings[:-1]]
    outer = np.searchsorted(faces.owners, np.arange(len(faces) + 1))
    polygons: Geometries = shapely.from_ragged_array(shapely.GeometryType.POLYGON, points, (rings, outer))
    upside_down = transform.determinant > 0
    return shapely.orient_polygons(polygons) if upside_down else polygons


def simplify_faces(faces: Faces, tolerance_m: NDArray[np.float64], pixel_m: tuple[float, float]) -> Faces:
    """Leave out vertices of objects that together cover a strip; what two of them share stays shared.

    A vertex goes if the triangle with its neighbors is smaller than the tolerance squared, the smallest first
    (Visvalingam and Whyatt), and only where no other outline comes into the triangle. Each object has its tolerance
    (F,); for a shared border the smaller one counts. `pixel_m` is the height and width of a pixel. Nodes and the
    outer border of the strip stay, and no new place appears.
    """
    for level in np.unique(tolerance_m[tolerance_m > 0]):
        some = tolerance_m >= level  # the others are not there: borders with them are outer ones
        simple = _simplify(faces.select(some), float(level), pixel_m)
        faces = simple if some.all() else _with(faces, some, simple)
    return faces


def _with(faces: Faces, some: NDArray[np.bool_], simple: Faces) -> Faces:
    """Put objects back in their place among others."""
    rest = faces.select(~some)
    owners = np.concatenate([np.flatnonzero(some)[simple.owners], np.flatnonzero(~some)[rest.owners]])
    rings = offsets(np.concatenate([np.diff(simple.rings), np.diff(rest.rings)]))
    return arrange(np.concatenate([simple.points, rest.points]), rings, owners, faces.labels)


def _simplify(faces: Faces, tolerance_m: float, pixel_m: tuple[float, float]) -> Faces:
    # Areas decide, so that pixels need not be square; and whole numbers are compared without rounding.
    polygons = to_polygons(faces, Affine(1, 0, 0, 0, -1, 0))
    tolerance_px = tolerance_m / math.sqrt(pixel_m[0] * pixel_m[1])
    simple = shapely.orient_polygons(shapely.coverage_simplify(polygons, tolerance_px, simplify_boundary=False))
    _, places, (rings, outer) = shapely.to_ragged_array(simple)
    sizes = np.diff(rings) - 1  # the closing point is no vertex of ours
    closing = np.zeros(len(places), np.bool_)
    closing[rings[1:] - 1] = True
    points = (places[~closing][:, ::-1] * [-1, 1]).astype(np.int32)
    owners = np.repeat(np.arange(len(faces)), np.diff(outer))
    return arrange(points, offsets(sizes), owners, faces.labels)
