"""A scene read with pixels of another size: what the network sees of it where its GSD is not that of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from hectares.core.grid import Grid
from hectares.core.resample import ANY_COVERAGE, AxisMap, read_resampled
from hectares.core.scene import Chip, place
from hectares.core.window import Window
from hectares.errors import GsdError
from hectares.io.rasters.raster_header import MAX_PIXELS
from hectares.io.rasters.scenes import PlacedSource


class RescaledScene:
    """A scene as a `RasterSource` whose pixels are about square and of the size of the training images, float32.

    Larger pixels are a weighted mean of all that they cover, smaller ones are interpolated (see `core.resample`). What
    is not valid has no weight, and a pixel is valid if any pixel that it sees is: so none of the scene is lost.
    Thread-safe as `SceneFile` is; a window gives the same pixels as the same part of the whole.
    """

    def __init__(self, scene: PlacedSource, gsd_m: float) -> None:
        """Raises GsdError if that would be more pixels than any raster may have."""
        height, width = scene.grid.shape
        rows_m, cols_m = scene.grid.gsd
        shape = max(1, round(height * rows_m / gsd_m)), max(1, round(width * cols_m / gsd_m))
        if shape[0] * shape[1] > MAX_PIXELS:
            raise GsdError(
                f"{scene.path}: pixels of {gsd_m:.3g} m instead of {rows_m:.3g} m would be {shape[0]} x {shape[1]}, "
                f"more than {MAX_PIXELS:.0e}; crop it first"
            )
        stretch = Affine.scale(width / shape[1], height / shape[0])
        self.scene = scene
        self.grid = Grid(scene.grid.crs, scene.grid.transform @ stretch, shape)
        self.bands = scene.bands
        self._rows, self._cols = AxisMap.fit(height, shape[0]), AxisMap.fit(width, shape[1])

    @property
    def path(self) -> Path:
        """The file that gives the place."""
        return self.scene.path

    @property
    def to_pixels(self) -> tuple[AxisMap, AxisMap]:
        """Where the pixels of the scene lie among these, along rows and columns."""
        (height, width), (rows, cols) = self.scene.grid.shape, self.grid.shape
        return AxisMap.fit(rows, height), AxisMap.fit(cols, width)

    def read(self, window: Window) -> Chip:
        """Read a window, which may reach beyond the scene."""
        inside = window & self.grid.window
        if not inside.pixels:
            return Chip(np.zeros((len(self.bands), *window.shape), np.float32), np.zeros(window.shape, np.bool_))
        chip = read_resampled(self.scene.read, self._rows, self._cols, inside, coverage=ANY_COVERAGE)
        return place(chip, inside, window)

    def covered(self, window: Window) -> Window:
        """Give the pixels of the scene that a window of these reaches."""
        (height, width), (rows, cols) = self.scene.grid.shape, self.grid.shape
        top, left = window.row * height // rows, window.col * width // cols
        bottom, right = -(-window.row_end * height // rows), -(-window.col_end * width // cols)
        return Window(top, left, bottom - top, right - left) & self.scene.grid.window

    def to_json(self) -> dict[str, Any]:
        """Give what was done, as a map tells it."""
        return {
            "scene_gsd_m": [round(v, 9) for v in self.scene.grid.gsd],
            "gsd_m": [round(v, 9) for v in self.grid.gsd],
            "height_px": self.grid.shape[0],
            "width_px": self.grid.shape[1],
            "classes": "nearest",
        }
