"""The canvas that the painters share: what covers each pixel, how high, how lit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import rasterio.features
from affine import Affine
from numpy.typing import NDArray

from hectares.generate.legend import Code

if TYPE_CHECKING:
    import shapely

    from hectares.generate.noise import FloatArray

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Canvas:
    """A scene in the making, in the plan frame.

    The plan frame has its origin in the upper left corner, x to the right and y
    down, in meters; a pixel is painted by what lies at its center.
    """

    gsd_m: float
    label: NDArray[np.uint8]  # (H, W)
    reflectance: FloatArray  # (4, H, W), 0..1
    height_m: FloatArray  # (H, W) of what stands on the ground
    terrain_m: FloatArray  # (H, W) of the ground itself
    relief: FloatArray  # (H, W) direct sunlight relative to level ground

    @classmethod
    def blank(cls, shape: tuple[int, int], gsd_m: float) -> Canvas:
        """Return a level, black canvas of `shape` labelled as grass."""
        return cls(
            gsd_m=gsd_m,
            label=np.full(shape, Code.GRASS, np.uint8),
            reflectance=np.zeros((4, *shape), np.float32),
            height_m=np.zeros(shape, np.float32),
            terrain_m=np.zeros(shape, np.float32),
            relief=np.ones(shape, np.float32),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.label.shape
        return height, width

    def window(self, x_m: float, y_m: float, radius_m: float) -> Window | None:
        """Return the pixels within `radius_m` of a point as slices, or None outside."""
        height, width = self.shape
        top = max(int((y_m - radius_m) / self.gsd_m), 0)
        left = max(int((x_m - radius_m) / self.gsd_m), 0)
        bottom = min(int((y_m + radius_m) / self.gsd_m) + 2, height)
        right = min(int((x_m + radius_m) / self.gsd_m) + 2, width)
        if top >= bottom or left >= right:
            return None
        return slice(top, bottom), slice(left, right)

    def coordinates(self, window: Window) -> tuple[FloatArray, FloatArray]:
        """Return x (1, w) and y (h, 1) of the pixel centers of a window, in meters."""
        rows, cols = window
        y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * self.gsd_m
        x = (np.arange(cols.start, cols.stop, dtype=np.float32) + 0.5) * self.gsd_m
        return x[None, :], y[:, None]

    def rasterize(self, geometries: Iterable[shapely.Geometry], *, all_touched: bool = False) -> NDArray[np.int32]:
        """Return (H, W) the 1-based index of the last geometry on each pixel, else 0."""
        shapes = [(geometry, index) for index, geometry in enumerate(geometries, start=1) if not geometry.is_empty]
        burned = np.zeros(self.shape, np.int32)
        if shapes:
            rasterio.features.rasterize(
                shapes,
                out=burned,
                transform=Affine.scale(self.gsd_m),
                all_touched=all_touched,
            )
        return burned

    def sample_label(self, points_m: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return (N,) the label under points (N, 2) given as x, y; 0 outside."""
        cols, rows = np.floor(points_m.T / self.gsd_m).astype(np.intp)
        height, width = self.shape
        inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        found = np.zeros(len(points_m), np.uint8)
        found[inside] = self.label[rows[inside], cols[inside]]
        return found
