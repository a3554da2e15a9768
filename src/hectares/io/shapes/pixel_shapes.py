"""Polygons in the pixels of a scene, burned window by window with the same result as all at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import features

from hectares.core.window import Window
from hectares.io.shapes.polygons import Geometries, polygonal

FINE = 2.0**20
"""Pixel coordinates are multiples of this part of a pixel, so that shifting them by whole pixels loses nothing."""
_INSCRIBED_PX = 0.7072
"""Half the diagonal of a pixel: a circle of this radius covers a pixel center wherever it lies."""
_STRIP_PX = 2**24
_BLOCK_PX = 256


class PixelShapes:
    """Polygons in pixels (x = col, y = row) of a scene."""

    def __init__(self, outlines: Geometries, shape: tuple[int, int], *, all_touched: bool) -> None:
        self._outlines = outlines
        self._scene = Window(0, 0, *shape)
        self._all_touched = all_touched
        self._tree = shapely.STRtree(outlines)

    def meeting(self, window: Window) -> NDArray[np.intp]:
        """Give the positions of shapes whose box meets a window."""
        inside = window & self._scene
        return np.sort(self._tree.query(_box(inside))) if inside.pixels else np.empty(0, np.intp)

    def burn(self, window: Window, chosen: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Tell which pixels (h, w) of a window some of the shapes cover; none beyond the scene."""
        burned = np.zeros(window.shape, np.bool_)
        inside = window & self._scene
        if not len(chosen) or not inside.pixels:
            return burned
        shapes = list(self._outlines[chosen])
        for block in self._blocks(inside) if self._all_touched else (inside,):
            covered = features.rasterize(
                shapes,
                out_shape=block.shape,
                transform=Affine.translation(block.col, block.row),
                dtype=np.uint8,
                all_touched=self._all_touched,
            )
            part = block & inside
            burned[part.within(window).slices] = covered[part.within(block).slices]
        return burned

    def _blocks(self, inside: Window) -> Iterator[Window]:
        """Give the blocks of the scene that a window meets.

        GDAL cuts an edge where the raster ends before it asks which pixels the edge touches, so that an edge through
        the corner of a pixel touches others in another window: what is touched is always asked of the same blocks.
        """
        first_row, first_col = (n // _BLOCK_PX * _BLOCK_PX for n in (inside.row, inside.col))
        for row in range(first_row, inside.row_end, _BLOCK_PX):
            for col in range(first_col, inside.col_end, _BLOCK_PX):
                yield Window(row, col, _BLOCK_PX, _BLOCK_PX) & self._scene

    @cached_property
    def touching(self) -> NDArray[np.intp]:
        """Positions of shapes that have an area in the scene."""
        near = self.meeting(self._scene)
        reaching: NDArray[np.intp] = near[shapely.area(self.clipped(near)) > 0]
        return reaching

    def clipped(self, chosen: NDArray[np.intp]) -> Geometries:
        """Give the parts of shapes inside the scene, valid."""
        parts = self._outlines[chosen]
        bad = ~shapely.is_valid(parts)
        if bad.any():  # by the change of CRS
            parts[bad] = shapely.make_valid(parts[bad], method="structure", keep_collapsed=False)
        return polygonal(shapely.intersection(parts, _box(self._scene)))

    def unburned(self) -> NDArray[np.intp]:
        """Give the positions of shapes that reach into the scene and cover no pixel of it.

        Only small and thin ones are burned to see: the largest circle in a polygon has at least the radius
        area through perimeter, as no point of it is farther from the edge than that circle's center.
        """
        parts = self.clipped(self.touching)
        small = shapely.area(parts) < _INSCRIBED_PX * shapely.length(parts)
        return np.array(
            [i for i in self.touching[small] if not self.burn(self._frame(i), np.array([i])).any()], np.intp
        )

    def _frame(self, i: int) -> Window:
        west, south, east, north = np.clip(self._outlines[i].bounds, -1e9, 1e9)
        row, col = int(np.floor(south)) - 1, int(np.floor(west)) - 1
        return Window(row, col, int(np.ceil(north)) + 1 - row, int(np.ceil(east)) + 1 - col) & self._scene

    def strips(self) -> Iterator[Window]:
        """Cut the scene into strips of a bounded size."""
        height, width = self._scene.shape
        rows = max(1, _STRIP_PX // width)
        for row in range(0, height, rows):
            yield Window(row, 0, min(rows, height - row), width)


def _box(window: Window) -> shapely.Geometry:
    return shapely.box(window.col, window.row, window.col_end, window.row_end)
