"""Many maps become one, window by window: each pixel is decided by one of them. Memory is that of a few windows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, Legend
from hectares.core.mosaic import Depth, cell_size
from hectares.core.window import Window
from hectares.io.rasters.class_map import ClassMap, open_class_map
from hectares.io.rasters.overlap import may_meet, pixels_in
from hectares.monitor import Monitor

_AT_ONCE = 2**24
"""Pixels of a map that are read at a time: of a finer one, a window of the mosaic may hold very many."""
_OPEN = 16


@dataclass(eq=False)
class Merging:
    """Maps with one legend, and the grid they are brought onto; nearest, so that no class is made up."""

    paths: Sequence[Path]
    """The first that shows a class decides; with `deepest`, the one whose edge and nodata are farthest away."""
    grids: Sequence[Grid]
    onto: Grid
    legend: Legend
    deepest: bool = False
    _depths: dict[int, Depth] = field(default_factory=dict)
    _held: OrderedDict[int, ClassMap] = field(default_factory=OrderedDict)

    def measure(self, monitor: Monitor) -> None:
        """Look through all maps for nodata, where depths are to decide."""
        for number in range(len(self.paths)) if self.deepest else ():
            monitor.progress("looking for nodata", number, len(self.paths))
            shape = self.grids[number].shape
            cell = cell_size(shape)
            empty = np.zeros(tuple(-(-length // cell) for length in shape), np.int64)
            opened = self._open(number)
            for window in opened.windows():
                row, col = np.nonzero(opened.read(window) == IGNORE)
                np.add.at(empty, ((row + window.row) // cell, (col + window.col) // cell), 1)
                monitor.raise_if_stopped()
            self._depths[number] = Depth.of(shape, cell, empty)
        if self.deepest:
            monitor.progress("looking for nodata", len(self.paths), len(self.paths))

    def blocks(self, windows: Sequence[Window]) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
        """Yield windows of the mosaic and the codes of their pixels (1, h, w)."""
        for window in windows:
            yield window, self.legend.decode(self._merge(window))[None]

    def close(self) -> None:
        """Close all maps."""
        while self._held:
            self._held.popitem()[1].raster.close()

    def _merge(self, window: Window) -> NDArray[np.uint8]:
        merged = np.full(window.shape, IGNORE, np.uint8)
        best = np.full(window.shape if self.deepest else (0, 0), -1, np.float32)
        for number, grid in enumerate(self.grids):
            if not may_meet(grid, self.onto, window):
                continue
            found, depth = np.full(window.shape, IGNORE, np.uint8), np.zeros_like(best)
            self._bring(number, window, found, depth, window)
            if self.deepest:
                better = (found != IGNORE) & (depth > best)
                best[better] = depth[better]
            else:
                better = (merged == IGNORE) & (found != IGNORE)
            merged[better] = found[better]
            if not self.deepest and (merged != IGNORE).all():
                break
        return merged

    def _bring(
        self, number: int, part: Window, found: NDArray[np.uint8], depth: NDArray[np.float32], window: Window
    ) -> None:
        """Fill a part of a window with what a map shows at the centers of its pixels, and how deep they lie in it."""
        grid = self.grids[number]
        cols, rows = np.meshgrid(np.arange(part.width) + part.col + 0.5, np.arange(part.height) + part.row + 0.5)
        places = pixels_in(grid, self.onto, rows, cols)
        within = np.logical_and(*((p >= 0) & (p < n) for p, n in zip(places, grid.shape, strict=True)))
        if not within.any():
            return
        row, col = (p[within].astype(np.int64) for p in places)
        top, left = int(row.min()), int(col.min())
        source = Window(top, left, int(row.max()) - top + 1, int(col.max()) - left + 1)
        if source.pixels > _AT_ONCE and part.pixels > 1:
            for half in part.halves:
                self._bring(number, half, found, depth, window)
            return
        place = part.within(window).slices
        found[place][within] = self._open(number).read(source)[row - top, col - left]
        if self.deepest:
            depth[place][within] = self._depths[number].at(row, col) * np.float32(sum(grid.gsd) / 2)

    def _open(self, number: int) -> ClassMap:
        """Open a map; a few are held, as a system lets a program open only so many."""
        if number not in self._held:
            self._held[number] = open_class_map(self.paths[number])
            if len(self._held) > _OPEN:
                self._held.popitem(last=False)[1].raster.close()
        self._held.move_to_end(number)
        return self._held[number]
