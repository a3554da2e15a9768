"""Small tables of what varies smoothly over a grid: longitude, latitude, and the area of a pixel.

Whoever holds such a table needs neither a CRS nor its arithmetic: between the nodes the values are bilinear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray

from hectares.core.area import pixel_area_at
from hectares.core.grid import Grid, parse_crs
from hectares.errors import GridError

FloatArray = NDArray[np.float64]

_MOST_CELLS = 128
_AREA_TOLERANCE = 1e-6
_PLACE_TOLERANCE_PX = 0.1


@dataclass(frozen=True, eq=False)
class GroundTable:
    """Values at nodes that cut a grid into equal cells, its outer edges included."""

    values: FloatArray
    """(channels, rows + 1, cols + 1); NaN outside the domain of the CRS."""

    def to_json(self) -> dict[str, Any]:
        """Give it as {rows, cols, values}: cells along each side, and each channel as a list, row by row."""
        _, rows, cols = self.values.shape
        channels = [[None if np.isnan(v) else float(f"{v:.12g}") for v in channel.ravel()] for channel in self.values]
        return {"rows": rows - 1, "cols": cols - 1, "values": channels}

    def at(self, row: float, col: float) -> FloatArray:
        """Give the channels at a place counted in cells: bilinear between the nodes."""
        r, c = (min(int(at), length - 2) for at, length in zip((row, col), self.values.shape[1:], strict=True))
        v, w = row - r, col - c
        corners = self.values[:, r : r + 2, c : c + 2]
        found: FloatArray = np.einsum("kij,i,j->k", corners, [1 - v, v], [1 - w, w])
        return found


def area_table(grid: Grid) -> GroundTable:
    """Give the area of a pixel over a grid, m2 on the ellipsoid; right to 1e-6 unless the grid is vast.

    >>> from affine import Affine
    >>> web = Grid("EPSG:3857", Affine(10, 0, 1.0e6, 0, -10, 8_399_737.9), (2, 2))
    >>> area_table(web).values.round(2)     # at 60 N: a quarter of the nominal 100 m2
    array([[[25.08, 25.08],
            [25.08, 25.08]]])
    """
    return _refine(
        lambda rows, cols: pixel_area_at(grid, rows, cols)[None],
        grid.shape,
        lambda values: _AREA_TOLERANCE * float(np.nanmean(values)),
    )


def lonlat_table(grid: Grid) -> GroundTable:
    """Give longitude and latitude (WGS84, degrees) over a grid, right to a tenth of a pixel unless it is vast.

    Longitudes go on beyond 180 where a grid crosses the antimeridian.
    """
    assert grid.crs is not None
    middle = grid.center_lonlat
    if middle is None:
        raise GridError(f"the middle of the map lies outside the domain of {parse_crs(grid.crs).name}")
    center_lon = middle[0]
    to_degrees = pyproj.Transformer.from_crs(parse_crs(grid.crs).to_2d(), "EPSG:4326", always_xy=True)
    t = grid.transform

    def degrees(rows: FloatArray, cols: FloatArray) -> FloatArray:
        x, y = t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f
        lon, lat = (np.asarray(v, np.float64) for v in to_degrees.transform(x, y))
        unknown = ~(np.isfinite(lon) & np.isfinite(lat)) | (np.abs(lat) > 90)
        lon, lat = np.where(unknown, np.nan, lon), np.where(unknown, np.nan, lat)
        lon = lon - 360 * np.round((lon - center_lon) / 360)
        return np.stack([lon, lat])

    row, col = grid.shape[0] / 2, grid.shape[1] / 2
    near = degrees(np.array([[row], [row + 1]]), np.array([[col, col + 1]]))
    step = float(np.abs(near - near[:, :1, :1]).max())
    return _refine(degrees, grid.shape, lambda _: _PLACE_TOLERANCE_PX * step)


def _refine(
    values_at: Callable[[FloatArray, FloatArray], FloatArray],
    shape: tuple[int, int],
    tolerance: Callable[[FloatArray], float],
) -> GroundTable:
    """Halve cells until bilinear values are right in the middle of each; along an axis only where it helps."""
    cells = [1, 1]
    while True:
        values = values_at(*_nodes(shape, cells))
        allowed = tolerance(values)
        worst = [_midway_error(values_at, values, shape, cells, axis) for axis in (0, 1)]
        bad = [axis for axis in (0, 1) if worst[axis] > allowed and cells[axis] < _MOST_CELLS]
        if not bad:
            return GroundTable(values)
        for axis in bad:
            cells[axis] *= 2


def _nodes(shape: tuple[int, int], cells: list[int]) -> tuple[FloatArray, FloatArray]:
    """Rows (n + 1, 1) and columns (1, m + 1) of the nodes, in pixels."""
    return np.linspace(0, shape[0], cells[0] + 1)[:, None], np.linspace(0, shape[1], cells[1] + 1)[None]


def _midway_error(
    values_at: Callable[[FloatArray, FloatArray], FloatArray],
    values: FloatArray,
    shape: tuple[int, int],
    cells: list[int],
    axis: int,
) -> float:
    """Largest error halfway between neighboring nodes along an axis; 0 where nothing is known."""
    rows, cols = _nodes(shape, cells)
    if axis == 0:
        true, found = values_at((rows[1:] + rows[:-1]) / 2, cols), (values[:, 1:] + values[:, :-1]) / 2
    else:
        true, found = values_at(rows, (cols[:, 1:] + cols[:, :-1]) / 2), (values[..., 1:] + values[..., :-1]) / 2
    return float(np.nanmax(np.abs(true - found), initial=0.0))
