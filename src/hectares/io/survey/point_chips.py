"""The surroundings of a point in an image on any grid: north up, in meters, with the outline of a map's pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray

from hectares.core.grid import Grid, parse_crs
from hectares.core.scene import Chip
from hectares.core.window import Window
from hectares.io.rasters.raster import RasterFile

FloatArray = NDArray[np.float64]
_GEOD = pyproj.Geod(ellps="WGS84")
_LATTICE = 17
"""Places along a side that are looked up in the image; between them its grid is taken to be even."""


@dataclass(frozen=True)
class Surroundings:
    """A square around a place, north up: places in it are given by direction and distance from its middle."""

    lon: float
    lat: float
    side_m: float

    def window_in(self, grid: Grid) -> Window:
        """Give the smallest window of a grid that holds the square, with a pixel around it."""
        cols, rows = self._places_in(grid)
        if not (np.isfinite(cols).all() and np.isfinite(rows).all()):
            return Window(0, 0, 0, 0)
        row, col = math.floor(rows.min()) - 1, math.floor(cols.min()) - 1
        return Window(row, col, math.ceil(rows.max()) + 1 - row, math.ceil(cols.max()) + 1 - col)

    def outline_of(self, grid: Grid, row: int, col: int) -> list[tuple[float, float]]:
        """Give the corners of a pixel of a grid as shares of the square, (x, y) from its upper left corner."""
        corners = [grid.transform @ (col + dx, row + dy) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]
        x, y = (np.array(values) for values in zip(*corners, strict=True))
        lon, lat = _lonlat(grid).transform(x, y)
        middle = np.full(len(corners), 1.0)
        azimuth, _, distance = _GEOD.inv(middle * self.lon, middle * self.lat, lon, lat)
        angle, share = np.radians(azimuth), np.asarray(distance) / self.side_m
        return list(zip((0.5 + share * np.sin(angle)).tolist(), (0.5 - share * np.cos(angle)).tolist(), strict=True))

    def cut(self, chip: Chip, grid: Grid, side_px: int) -> Chip:
        """Give the square from a chip (C, h, w) that lies on `grid`, linear between its pixels: (C, side_px, side_px).

        A pixel is valid if the nearest one is; of the four around it those that are valid count.
        """
        cols, rows = self._places_in(grid)
        at = (np.arange(side_px) + 0.5) / side_px * (_LATTICE - 1)
        cols, rows = _between(cols, at) - 0.5, _between(rows, at) - 0.5
        height, width = chip.valid.shape
        row, col = np.floor(rows).astype(np.int64), np.floor(cols).astype(np.int64)
        out, whole = np.zeros((len(chip.image), side_px, side_px), np.float32), np.zeros((side_px, side_px))
        valid = np.zeros((side_px, side_px), np.bool_)
        for dy in (0, 1):
            for dx in (0, 1):
                weight = np.abs(1 - dy - (rows - row)) * np.abs(1 - dx - (cols - col))
                i, j = row + dy, col + dx
                seen = (i >= 0) & (j >= 0) & (i < height) & (j < width)
                i, j = np.clip(i, 0, height - 1), np.clip(j, 0, width - 1)
                seen &= chip.valid[i, j]
                out += np.where(seen, weight * chip.image[:, i, j], 0).astype(np.float32)
                whole += np.where(seen, weight, 0)
                nearest = (np.abs(rows - row - dy) <= 0.5) & (np.abs(cols - col - dx) <= 0.5)
                valid |= seen & nearest
        return Chip(np.where(valid, out / np.maximum(whole, 1e-9), 0).astype(np.float32), valid)

    def _places_in(self, grid: Grid) -> tuple[FloatArray, FloatArray]:
        """Give column and row of a lattice over the square, (n, n) each, from its upper left corner."""
        side = (np.arange(_LATTICE) / (_LATTICE - 1) - 0.5) * self.side_m
        x, y = np.meshgrid(side, -side)
        here = np.full(x.size, 1.0)
        azimuth, distance = np.degrees(np.arctan2(x, y)).ravel(), np.hypot(x, y).ravel()
        lon, lat, _ = _GEOD.fwd(here * self.lon, here * self.lat, azimuth, distance)
        east, north = _lonlat(grid).transform(lon, lat, direction="INVERSE")
        east, north = np.reshape(east, x.shape), np.reshape(north, x.shape)
        back = ~grid.transform
        return back.a * east + back.b * north + back.c, back.d * east + back.e * north + back.f


@lru_cache(maxsize=4)
def _transformer(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(parse_crs(crs).to_2d(), "EPSG:4326", always_xy=True)


def _lonlat(grid: Grid) -> pyproj.Transformer:
    assert grid.crs is not None  # checked by whoever opens map and image
    return _transformer(grid.crs)


def _between(lattice: FloatArray, at: FloatArray) -> FloatArray:
    """Values between the places of a lattice (n, n), at `at` (m,) along both sides: (m, m)."""
    left = np.minimum(at.astype(np.int64), len(lattice) - 2)
    part = at - left
    lines = lattice[left] * (1 - part)[:, None] + lattice[left + 1] * part[:, None]
    return np.asarray(lines[:, left] * (1 - part) + lines[:, left + 1] * part, np.float64)


class Crop:
    """A window of a raster as a source of its own; it may reach beyond the raster."""

    def __init__(self, raster: RasterFile, window: Window) -> None:
        self._raster, self._window = raster, window
        self.grid = raster.grid.crop(window)
        self.bands = raster.bands

    def read(self, window: Window) -> Chip:
        """Read a part of the window."""
        return self._raster.read(window.shift(self._window.row, self._window.col))


def coarser(grid: Grid, step: int, shape: tuple[int, int]) -> Grid:
    """Give the grid of `shape` whose pixels are squares of `step` pixels of a grid."""
    return Grid(grid.crs, grid.transform @ Affine.scale(step), shape)
