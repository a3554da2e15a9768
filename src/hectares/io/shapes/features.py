"""Between vectors and pixels."""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio import features

from hectares.core.grid import Grid
from hectares.core.window import Window


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
