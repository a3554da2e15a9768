"""An area of interest: the pixels of a scene whose center lies in a polygon of a vector file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.errors import VectorError
from hectares.io.shapes.features import inside, pixel_window
from hectares.io.shapes.layer_name import split_layer_name
from hectares.io.shapes.vectors import read_layer
from hectares.monitor import Monitor


@dataclass(frozen=True, eq=False)
class AreaOfInterest:
    """Polygons on the grid of a scene."""

    geometry: shapely.Geometry
    grid: Grid
    bounds: Window
    """The pixels around it."""

    @property
    def fingerprint(self) -> str:
        """A hash of the polygons as they lie on the grid."""
        return hashlib.sha256(shapely.to_wkb(self.geometry)).hexdigest()

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Tell which pixels of a window lie inside, (h, w)."""
        mask = np.zeros(window.shape, np.bool_)
        part = window & self.bounds
        if part.pixels:
            mask[part.within(window).slices] = inside(self.geometry, self.grid, part)
        return mask


def read_area(text: str, grid: Grid, scene: Path, monitor: Monitor) -> AreaOfInterest:
    """Read `FILE` or `FILE:LAYER` in any CRS. Raises VectorError if no polygon covers a pixel of the scene."""
    path, name = split_layer_name(text)
    if grid.crs is None:
        raise VectorError(f"{scene}: has no CRS, so {path} cannot be laid over it")
    layer = read_layer(path, layer=name, columns=(), polygons=True).near(grid.bounds, grid.crs).to_crs(grid.crs)
    for note in layer.notes:
        monitor.problem(note)
    geometry = shapely.union_all(list(layer.geometries))
    bounds = pixel_window(geometry, grid)
    if not bounds.pixels or not _covers_a_pixel(geometry, grid, bounds):
        west, south, east, north = (f"{value:.6g}" for value in grid.bounds)
        raise VectorError(
            f"{path}: covers no pixel of {scene}, which spans {west} to {east} and {south} to {north} in {grid.crs}; "
            "check its CRS, or choose another area"
        )
    return AreaOfInterest(geometry, grid, bounds)


def _covers_a_pixel(geometry: shapely.Geometry, grid: Grid, bounds: Window) -> bool:
    """Tell if a pixel center lies inside; what is many pixels large is not looked at closer."""
    a, b, d, e = grid.transform.a, grid.transform.b, grid.transform.d, grid.transform.e
    if shapely.area(geometry) > 100 * abs(a * e - b * d) and bounds.pixels > 100:
        return True
    return bool(inside(geometry, grid, bounds).any()) if bounds.pixels <= 2**24 else True
