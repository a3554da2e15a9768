"""Answers on pixels of another size, brought back onto the pixels of the scene: nearest, and nodata as in the scene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE
from hectares.core.resample import AxisMap
from hectares.core.window import Window
from hectares.io.rasters.rescaled import RescaledScene
from hectares.scale.assembling import Assembly
from hectares.scale.tiles import Area

_AT_ONCE = 2**22
"""Answered pixels that are held at a time; pixels of the scene may be many of them."""
_LOOKED_AT = 2**24


@dataclass(frozen=True, eq=False)
class OntoScene:
    """What batches add up to, on the grid of the scene; as `Assembly` gives it on the grid of the tiles."""

    done: Assembly
    tiles: RescaledScene
    area: Area | None
    """Where an answer is wanted, on the grid of the scene."""

    def indices(self, windows: Sequence[Window]) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
        """Yield windows of the scene and their class indices (h, w)."""
        for window in windows:
            found = np.full(window.shape, IGNORE, np.uint8)
            for part, rows, cols, source in self._parts(window):
                ((_, indices),) = self.done.indices([source])
                found[part.within(window).slices] = indices[rows[:, None], cols]
            found[~self._wanted(window)] = IGNORE
            yield window, found

    def scores(self, windows: Sequence[Window]) -> Iterator[tuple[Window, NDArray[Any]]]:
        """Yield windows of the scene and their scores (K, h, w), as they are kept in a file."""
        for window in windows:
            found: NDArray[Any] | None = None
            for part, rows, cols, source in self._parts(window):
                ((_, scores),) = self.done.scores([source])
                if found is None:
                    found = np.empty((len(scores), *window.shape), scores.dtype)
                found[:, *part.within(window).slices] = scores[:, rows[:, None], cols]
            assert found is not None, "a window has pixels"
            found[:, ~self._wanted(window)] = IGNORE if found.dtype.kind == "u" else np.nan
            yield window, found

    def _parts(self, window: Window) -> Iterator[tuple[Window, NDArray[np.int64], NDArray[np.int64], Window]]:
        """Yield parts of a window, the answered rows and columns of their pixels, and the window these count from."""
        rows, cols = self.tiles.to_pixels
        source = _holding(rows, cols, window)
        if source.pixels > _AT_ONCE and window.pixels > 1:
            for part in window.halves:
                yield from self._parts(part)
            return
        row, col = rows.nearest(window.row, window.height)[0], cols.nearest(window.col, window.width)[0]
        yield window, row - source.row, col - source.col, source

    def _wanted(self, window: Window) -> NDArray[np.bool_]:
        valid = self.tiles.scene.read(window).valid
        return valid if self.area is None else valid & self.area.mask(window)


@dataclass(frozen=True, eq=False)
class TouchedArea:
    """Which windows of other pixels an area touches; `OntoScene` cuts along its edge in the pixels of the scene."""

    area: Area
    tiles: RescaledScene

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Give all pixels of a window that the area reaches into, and none of one that it does not, (h, w)."""
        left = [self.tiles.covered(window & self.tiles.grid.window)]
        while left:
            part = left.pop()
            if part.pixels > _LOOKED_AT:
                left += part.halves
            elif part.pixels and self.area.mask(part).any():
                return np.ones(window.shape, np.bool_)
        return np.zeros(window.shape, np.bool_)


def _holding(rows: AxisMap, cols: AxisMap, window: Window) -> Window:
    """Give the answered pixels that hold the centers of the pixels of a window."""
    top, bottom = (int(rows.nearest(at, 1)[0][0]) for at in (window.row, window.row_end - 1))
    left, right = (int(cols.nearest(at, 1)[0][0]) for at in (window.col, window.col_end - 1))
    return Window(top, left, bottom - top + 1, right - left + 1)
