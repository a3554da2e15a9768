"""Between vectors and pixels."""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio import features

from hectares.core.grid import Grid
from hectares.core.window import Window

_LEAF_PX = 16
"""Blocks of this side are divided into pixels at once."""
_ROUNDING = 1e-12


def pixel_window(geometry: shapely.Geometry, grid: Grid) -> Window:
    """Give the smallest window of a grid that holds a geometry; of size zero if they do not meet."""
    if geometry.is_empty:
        return Window(0, 0, 0, 0)
    box = shapely.get_coordinates(shapely.box(*geometry.bounds))
    back = ~grid.transform
    cols, rows = back @ (box[:, 0], box[:, 1])
    row, col = math.floor(min(rows)), math.floor(min(cols))
    window = Window(row, col, math.ceil(max(rows)) - row, math.ceil(max(cols)) - col)
    return window & grid.window


def inside(geometry: shapely.Geometry, grid: Grid, window: Window) -> NDArray[np.bool_]:
    """Tell which pixels of a window have their center in a geometry given in the CRS of the grid, (h, w)."""
    mask: NDArray[np.bool_] = features.geometry_mask(
        [geometry], out_shape=window.shape, transform=grid.crop(window).transform, invert=True
    )
    return mask


def covered_shares(geometry: shapely.Geometry, grid: Grid, window: Window) -> NDArray[np.float64]:
    """Give the share of each pixel of a window that a geometry in the CRS of the grid covers, (h, w), 0 to 1.

    Exact for any grid, rotated ones too: the window is halved until a part lies wholly within or without.

    >>> from affine import Affine
    >>> grid = Grid("EPSG:32633", Affine(10, 0, 0, 0, -10, 20), (2, 3))
    >>> covered_shares(shapely.box(5, 0, 20, 15), grid, grid.window)
    array([[0.25, 0.5 , 0.  ],
           [0.5 , 1.  , 0.  ]])
    """
    a, b, c, d, e, f = (~grid.crop(window).transform)[:6]
    shares = np.zeros(window.shape)
    parts = [
        (shapely.transform(geometry, lambda p: p @ np.array([[a, d], [b, e]]) + (c, f)), Window(0, 0, *window.shape))
    ]
    while parts:
        whole, block = parts.pop()
        part = shapely.intersection(whole, shapely.box(block.col, block.row, block.col_end, block.row_end))
        covered = shapely.area(part)
        if covered >= block.pixels * (1 - _ROUNDING):
            shares[block.slices] = 1.0
        elif covered > 0 and max(block.shape) <= _LEAF_PX:
            rows, cols = np.indices(block.shape)
            left, top = cols + block.col, rows + block.row
            shares[block.slices] = shapely.area(shapely.intersection(part, shapely.box(left, top, left + 1, top + 1)))
        elif covered > 0:
            parts += [(part, half) for half in block.halves]
    return shares
