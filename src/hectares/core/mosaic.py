"""One grid for many scenes, and which of them decides a pixel that several show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray

from hectares.core.grid import Grid, linear_unit_m, normalize_crs, parse_crs, same_grid
from hectares.core.window import Window
from hectares.errors import GridError

_EDGE_POINTS = 64
_SLACK_PX = 1e-4
"""Digits of transforms: a scene that ends on the edge of a pixel shall not reach into the next."""
_CELLS = 256
_TRIAL_DEG = 1e-4


def mosaic_grid(grids: Sequence[Grid], *, crs: str | None = None, gsd_m: float | None = None) -> Grid:
    """Give the smallest grid around all scenes, with CRS and pixel size of the first one unless others are asked for.

    With those of the first scene, its pixels stay as they are; else corners of pixels lie at multiples of their size.

    >>> west = Grid("EPSG:32633", Affine(10, 0, 500_003, 0, -10, 5_000_000), (20, 30))
    >>> east = Grid("EPSG:32633", Affine(10, 0, 500_203, 0, -10, 4_999_950), (20, 30))
    >>> mosaic_grid([west, east]).shape, mosaic_grid([west, east]).transform.c
    ((25, 50), 500003.0)
    >>> mosaic_grid([west, east], gsd_m=20).bounds
    (500000.0, 4999740.0, 500520.0, 5000000.0)
    """
    first = grids[0]
    if first.crs is None:
        raise GridError("a mosaic needs scenes that have a CRS")
    wanted = first.crs if crs is None else normalize_crs(crs)
    if wanted == first.crs and gsd_m is None and first.is_north_up:
        lattice = first.transform
    else:
        lattice = _snapped(wanted, sum(first.gsd) / 2 if gsd_m is None else gsd_m, first)
    ends = [_reach(grid, wanted, lattice) for grid in grids]
    left, top = (math.floor(min(e[i] for e in ends) + _SLACK_PX) for i in (0, 1))
    right, bottom = (math.ceil(max(e[i] for e in ends) - _SLACK_PX) for i in (2, 3))
    return Grid(wanted, lattice @ Affine.translation(left, top), (bottom - top, right - left))


def _snapped(crs: str, gsd_m: float, first: Grid) -> Affine:
    """Give square pixels of a size whose corners lie at multiples of it."""
    parsed = parse_crs(crs)
    if parsed.is_geographic:
        x, y = _center(first, crs)
        trial = Grid(crs, Affine(_TRIAL_DEG, 0, x, 0, -_TRIAL_DEG, y), (1, 1))
        size = _TRIAL_DEG * gsd_m / trial.gsd[0]  # from row to row: as many degrees from column to column
    else:
        size = gsd_m / linear_unit_m(parsed)
    return Affine(size, 0, 0, 0, -size, 0)


def _center(grid: Grid, crs: str) -> tuple[float, float]:
    x, y = grid.transform @ (grid.shape[1] / 2, grid.shape[0] / 2)
    found = to_crs(grid, crs, np.array([x]), np.array([y]))
    return float(found[0][0]), float(found[1][0])


def _reach(grid: Grid, crs: str, lattice: Affine) -> tuple[float, float, float, float]:
    """Give first and last columns and rows of a lattice that a grid reaches: left, top, right, bottom."""
    height, width = grid.shape
    along = np.linspace(0, 1, _EDGE_POINTS)
    cols = np.concatenate([along * width, along * width, np.zeros(_EDGE_POINTS), np.full(_EDGE_POINTS, width)])
    rows = np.concatenate([np.zeros(_EDGE_POINTS), np.full(_EDGE_POINTS, height), along * height, along * height])
    t, back = grid.transform, ~lattice
    x, y = to_crs(grid, crs, t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise GridError(f"a scene in {grid.crs} reaches beyond where {crs} is defined; give another --crs")
    col, row = back.a * x + back.c, back.e * y + back.f
    return float(col.min()), float(row.min()), float(col.max()), float(row.max())


def to_crs(
    grid: Grid, crs: str, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give places in the CRS of a grid in another one; infinite where it is not defined."""
    if grid.crs is None or grid.crs == crs:
        return x, y
    found = pyproj.Transformer.from_crs(parse_crs(grid.crs), parse_crs(crs), always_xy=True).transform(x, y)
    return np.asarray(found[0]), np.asarray(found[1])


def window_around(grid: Grid, window: Window, onto: Grid) -> Window:
    """Give the part of another grid around a window of a grid; of size zero if they do not meet.

    >>> fine = Grid("EPSG:32633", Affine(5, 0, 500_000, 0, -5, 5_000_000), (40, 40))
    >>> coarse = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), (20, 20))
    >>> window_around(fine, Window(3, 4, 2, 2), coarse)
    Window(row=1, col=2, height=2, width=1)
    """
    assert onto.crs is not None, "a mosaic has one"
    left, top, right, bottom = _reach(grid.crop(window), onto.crs, onto.transform)
    row, col = math.floor(top + _SLACK_PX), math.floor(left + _SLACK_PX)
    height, width = math.ceil(bottom - _SLACK_PX) - row, math.ceil(right - _SLACK_PX) - col
    return Window(row, col, max(0, height), max(0, width)) & onto.window


def place_in(grid: Grid, onto: Grid) -> Window | None:
    """Give the window of another grid whose pixels are those of a grid; None if pixels do not coincide.

    >>> mosaic = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), (20, 20))
    >>> place_in(Grid("EPSG:32633", Affine(10, 0, 500_030, 0, -10, 4_999_980), (4, 6)), mosaic)
    Window(row=2, col=3, height=4, width=6)
    >>> place_in(Grid("EPSG:32633", Affine(10, 0, 500_034, 0, -10, 4_999_980), (4, 6)), mosaic) is None
    True
    """
    if grid.crs != onto.crs:
        return None
    col, row = ~onto.transform @ (grid.transform.c, grid.transform.f)
    window = Window(round(row), round(col), *grid.shape)
    return window if same_grid(onto.crop(window), grid) else None


# --- Which scene decides ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Depth:
    """How far pixels of a map lie from its edge and from what it does not show, in pixels of the map.

    Nodata is looked up in at most 256 x 256 cells, which count as such if half of their pixels are.
    """

    shape: tuple[int, int]
    cell_px: int
    away: NDArray[np.float32]
    """Distance of each cell to the nearest one of nodata, in pixels; infinite without any."""

    @classmethod
    def of(cls, shape: tuple[int, int], cell_px: int, empty: NDArray[np.int64]) -> Self:
        """Begin with the number of nodata pixels of each cell."""
        return cls(shape, cell_px, distances(2 * empty >= _cell_pixels(shape, cell_px)) * np.float32(cell_px))

    def at(self, row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.float32]:
        """Give the depth of pixels of the map.

        >>> depth = Depth.of((4, 6), 1, np.zeros((4, 6), np.int64))
        >>> depth.at(np.array([0, 2]), np.array([3, 3])).tolist()
        [0.5, 1.5]
        """
        height, width = self.shape
        edge = np.minimum(np.minimum(row, height - 1 - row), np.minimum(col, width - 1 - col)) + 0.5
        found: NDArray[np.float32] = np.minimum(edge, self.away[row // self.cell_px, col // self.cell_px])
        return found.astype(np.float32, copy=False)


def cell_size(shape: tuple[int, int]) -> int:
    """Give the side of the cells in which nodata of a map is counted.

    >>> cell_size((10980, 10980))
    43
    """
    return -(-max(shape) // _CELLS)


def _cell_pixels(shape: tuple[int, int], cell_px: int) -> NDArray[np.int64]:
    sides = [np.minimum(cell_px, length - np.arange(0, length, cell_px)) for length in shape]
    found: NDArray[np.int64] = np.outer(*sides)
    return found


def distances(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give the distance of each cell to the nearest one that is set, exactly; infinite if none is.

    Source: Felzenszwalb and Huttenlocher 2012 (doi 10.4086/toc.2012.v008a019), the squared distance axis by axis.

    >>> distances(np.array([[False, False, True], [False, False, False]])).round(1)
    array([[2. , 1. , 0. ],
           [2.2, 1.4, 1. ]], dtype=float32)
    """
    squared = np.where(mask, 0.0, np.inf)
    for _ in range(2):
        places = np.arange(len(squared))
        squared = np.stack([(squared + ((places - i) ** 2)[:, None]).min(axis=0) for i in places]).T
    return np.sqrt(squared).astype(np.float32)
