"""Which pixels of overlapping maps count, so that no ground is counted twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyproj
from numpy.typing import NDArray

from hectares.core.grid import Grid, parse_crs
from hectares.core.legend import IGNORE
from hectares.core.window import Window
from hectares.io.rasters.class_map import ClassMap

_EDGE_POINTS = 21
_ABSENT, _NODATA, _CLASS = 0, 1, 2


def counted_pixels(
    maps: Sequence[ClassMap], number: int, window: Window, indices: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """Tell which pixels of a window of map `number`, with class `indices` (h, w), count where maps overlap.

    The first map that shows a class at the center of a pixel counts. Nodata counts where no map shows a class, in the
    first map that reaches there.
    """
    counted = np.ones(window.shape, np.bool_)
    seen = indices != IGNORE
    grid = maps[number].grid
    for other_number, other in enumerate(maps):
        if other_number == number or not may_meet(other.grid, grid, window):
            continue
        there = _states(other, grid, window)
        if other_number < number:
            counted &= np.where(seen, there != _CLASS, there == _ABSENT)
        else:
            counted &= seen | (there != _CLASS)
    return counted


def _states(other: ClassMap, grid: Grid, window: Window) -> NDArray[np.uint8]:
    """Tell what a map shows at the pixel centers of a window of a grid (h, w): nothing, nodata or a class."""
    cols, rows = np.meshgrid(np.arange(window.width) + 0.5, np.arange(window.height) + 0.5)
    row, col = pixels_in(other.grid, grid, rows + window.row, cols + window.col)
    height, width = other.grid.shape
    within = (row >= 0) & (row < height) & (col >= 0) & (col < width)
    states = np.full(window.shape, _ABSENT, np.uint8)
    if within.any():
        row, col = row[within].astype(np.int64), col[within].astype(np.int64)
        top, left = int(row.min()), int(col.min())
        part = Window(top, left, int(row.max()) - top + 1, int(col.max()) - left + 1)
        found = other.read(part)[row - top, col - left]
        states[within] = np.where(found == IGNORE, _NODATA, _CLASS)
    return states


def may_meet(other: Grid, grid: Grid, window: Window) -> bool:
    """Tell if a window may reach into another grid, by points along its edges and inside."""
    rows = np.linspace(window.row, window.row_end, _EDGE_POINTS)
    cols = np.linspace(window.col, window.col_end, _EDGE_POINTS)
    row, col = pixels_in(other, grid, *np.meshgrid(rows, cols, indexing="ij"))
    row, col = row[np.isfinite(row)], col[np.isfinite(col)]
    if not row.size or not col.size:
        return False
    slack = max(np.ptp(row), np.ptp(col)) / _EDGE_POINTS + 1
    height, width = other.shape
    below = row.max() < -slack or row.min() > height + slack
    return not (below or col.max() < -slack or col.min() > width + slack)


def pixels_in(
    other: Grid, grid: Grid, rows: NDArray[np.float64], cols: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and columns in another grid of places given in rows and columns of a grid; infinite where unknown."""
    t = grid.transform
    x, y = t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f
    if other.crs != grid.crs and other.crs is not None and grid.crs is not None:
        transformer = pyproj.Transformer.from_crs(parse_crs(grid.crs), parse_crs(other.crs), always_xy=True)
        x, y = (np.asarray(v) for v in transformer.transform(x, y))
    back = ~other.transform
    with np.errstate(invalid="ignore"):
        col, row = back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f
    return np.floor(np.where(np.isfinite(row), row, np.inf)), np.floor(np.where(np.isfinite(col), col, np.inf))
