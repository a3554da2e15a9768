"""Overviews made while a raster is written, block by block, so that no pass over its whole width is needed for them.

Level k lies in a file of its own, named as GDAL looks for overviews: `plain.tif.ovr`, `plain.tif.ovr.ovr` and so on.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RioWindow

from hectares.core.window import Window

Resampling = Literal["MODE", "AVERAGE"]
_SMALLEST = 512
_MOST = 9
"""Blocks of 512 px cannot be halved more often."""


class Pyramid:
    """Writes every level of a raster from its blocks, which start at multiples of 512."""

    def __init__(self, path: Path, profile: dict[str, Any], resampling: Resampling) -> None:
        """Begin the levels of the raster at `path`, until one fits into 512 x 512 px."""
        self._nodata, self._resampling = profile["nodata"], resampling
        self._files = ExitStack()
        self._levels: list[Any] = []  # rasterio has no types
        height, width = profile["height"], profile["width"]
        kept = {k: v for k, v in profile.items() if k not in {"crs", "transform"}}
        while max(height, width) > _SMALLEST and len(self._levels) < _MOST:
            height, width, path = -(-height // 2), -(-width // 2), path.with_name(f"{path.name}.ovr")
            level = rasterio.open(path, "w", **(kept | {"height": height, "width": width}))
            self._levels.append(self._files.enter_context(level))

    def add(self, window: Window, values: NDArray[Any]) -> None:
        """Write the part of every level that a block (n, h, w) is seen in."""
        row, col = window.row, window.col
        for level in self._levels:
            values = halve(values, self._nodata, self._resampling)
            row, col = row // 2, col // 2
            level.write(values, window=RioWindow(col, row, values.shape[2], values.shape[1]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()


def halve(values: NDArray[Any], nodata: float, resampling: Resampling) -> NDArray[Any]:
    """Give an array (n, h, w) of half the size: of four pixels the commonest value or the mean, of those with data.

    >>> codes = np.array([[[1, 2, 3, 255], [2, 9, 4, 255]]], np.uint8)
    >>> halve(codes, 255, "MODE").tolist(), halve(codes, 255, "AVERAGE").tolist()
    ([[[2, 3]]], [[[4, 4]]])
    """
    count, height, width = values.shape
    if height % 2 or width % 2:
        even = np.full((count, height + height % 2, width + width % 2), nodata, values.dtype)
        even[:, :height, :width] = values
        values = even
    quarters = [values[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return _mode(quarters, nodata) if resampling == "MODE" else _mean(quarters, nodata)


def _mode(quarters: list[NDArray[Any]], nodata: float) -> NDArray[Any]:
    a, b, c, d = quarters
    result = d.copy()
    for single in (c, b, a):
        np.copyto(result, single, where=single != nodata)
    for one, pairs in ((c, (d,)), (b, (c, d)), (a, (b, c, d))):
        twice = one == pairs[0]
        for other in pairs[1:]:
            twice |= one == other
        np.copyto(result, one, where=twice & (one != nodata))
    return result


def _mean(quarters: list[NDArray[Any]], nodata: float) -> NDArray[Any]:
    total = np.zeros(quarters[0].shape, np.float32)
    known = np.zeros(quarters[0].shape, np.float32)
    for quarter in quarters:
        has = ~np.isnan(quarter) if np.isnan(nodata) else quarter != nodata
        np.add(total, quarter, out=total, where=has)
        known += has
    mean = np.where(known > 0, total / np.maximum(known, 1), np.float32(nodata))
    if quarters[0].dtype.kind in "ui":
        np.floor(mean + np.float32(0.5), out=mean)
    return mean.astype(quarters[0].dtype)
