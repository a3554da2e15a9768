"""The pixels of images: damage, emptiness, constant bands, nodata, and fill that nobody declared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.scene import Chip
from hectares.core.window import Window
from hectares.doctor.finding import Finding, Place
from hectares.errors import GridError
from hectares.io.rasters.raster import RasterFile

ROWS, COLS = 512, 4096
"""Windows of a scan: their size does not grow with the scene."""
_BORDER_SHARE = 0.01
_MUCH_NODATA = 0.5
_MOST_PLACES = 100
_LARGE_GSD_M, _SMALL_GSD_M = 10_000.0, 0.001


def scan_windows(shape: tuple[int, int]) -> list[Window]:
    """Give windows over a whole scene, row by row.

    >>> scan_windows((600, 100))
    [Window(row=0, col=0, height=512, width=100), Window(row=512, col=0, height=88, width=100)]
    """
    height, width = shape
    return [
        Window(row, col, min(ROWS, height - row), min(COLS, width - col))
        for row in range(0, height, ROWS)
        for col in range(0, width, COLS)
    ]


@dataclass
class PixelTally:
    """Counts what is in an image that is read window by window."""

    raster: RasterFile
    scene: str = ""
    valid_px: int = 0
    _low: NDArray[Any] = field(init=False)
    _high: NDArray[Any] = field(init=False)
    _fill: dict[float, int] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.raster.bands)
        self._low, self._high = np.full(count, np.inf), np.full(count, -np.inf)
        self._fill = {}
        if len(scan_windows(self.raster.grid.shape)) > 1:
            height, width = self.raster.grid.shape
            for row in (0, height - 1):
                for col in (0, width - 1):
                    self._suspect(self.raster.read(Window(row, col, 1, 1)))

    def _suspect(self, chip: Chip) -> None:
        """Suspect the values of corners to be fill."""
        for row in (0, -1):
            for col in (0, -1):
                values = set(chip.image[:, row, col].tolist())
                if chip.valid[row, col] and len(values) == 1:
                    value = float(values.pop())
                    if chip.image.dtype != np.uint8 or (len(chip.image) > 1 and value in {0, 255}):
                        self._fill.setdefault(value, 0)  # one band of bytes may be classes, other grays be water

    def add(self, chip: Chip, window: Window) -> None:
        """Add a window of the scan."""
        if window == self.raster.grid.window:
            self._suspect(chip)
        valid = int(np.count_nonzero(chip.valid))
        if not valid:
            return
        self.valid_px += valid
        flat = chip.image.reshape(len(chip.image), -1)
        values = flat if valid == chip.valid.size else flat[:, chip.valid.ravel()]
        self._low, self._high = np.minimum(self._low, values.min(axis=1)), np.maximum(self._high, values.max(axis=1))
        for value in self._fill:
            self._fill[value] += int(np.count_nonzero((values == value).all(axis=0)))

    @property
    def is_constant(self) -> bool:
        """True if all valid pixels are the same."""
        return bool((self._low >= self._high).all())

    @property
    def nodata_share(self) -> float:
        """Share of pixels that are not valid."""
        return 1 - self.valid_px / self.raster.grid.window.pixels

    def findings(self) -> Iterator[Finding]:
        """Say what is wrong with the image."""
        path, total, grid = self.raster.path, self.raster.grid.window.pixels, self.raster.grid
        where, middle = str(path), (Place.of_pixel(grid, grid.shape[0] // 2, grid.shape[1] // 2),)
        damage = self.raster.damage
        if damage:
            what = f"{len(damage)} block(s) cannot be decoded, first at row {damage[0].row}, col {damage[0].col}"
            places = tuple(Place.of_pixel(grid, w.row, w.col) for w in damage[:_MOST_PLACES])
            yield Finding("damage", "error", where, what, "fetch the file again", self.scene, places, len(damage))
        if self.valid_px == 0:
            yield Finding("empty image", "error", where, "has no valid pixel", "check its nodata value", self.scene)
            return
        if self.is_constant and total > 1:
            values = ", ".join(f"{v:g}" for v in dict.fromkeys(self._low.tolist()))
            what = f"is {values} everywhere"
            yield Finding("empty image", "warning", where, what, "leave it out", self.scene, middle)
            return
        for name, low, high in zip(self.raster.bands, self._low, self._high, strict=True):
            if low == high and self.valid_px > 1:
                what = f"band {name} is {low:g} everywhere"
                yield Finding("constant band", "warning", where, what, "it carries nothing", self.scene, middle)
        for value, count in self._fill.items():
            if count > _BORDER_SHARE * total:
                what = f"value {value:g} fills {count / total:.1%} of the scene and its border, but is not nodata"
                remedy = f"if it means nodata, say so: rio edit-info --nodata {value:g} {path.name}"
                yield Finding("undeclared fill", "warning", where, what, remedy, self.scene, middle, count)
        if self.nodata_share > _MUCH_NODATA:
            what = f"{self.nodata_share:.0%} of it is nodata"
            yield Finding("nodata", "note", where, what, "chips that are mostly nodata are left out", self.scene)
        if self.raster.facts.is_scaled:
            facts = self.raster.facts
            what = f"carries scale {facts.scales[0]:g} and offset {facts.offsets[0]:g}"
            yield Finding("scale", "note", where, what, "values are read in its units", self.scene)


def examine_grid(grid: Grid, where: str, scene: str) -> Iterator[Finding]:
    """Say if pixels have a size that no sensor has: degrees taken for metres, or the other way round."""
    if not grid.is_georeferenced:
        return
    try:
        gsd = max(grid.gsd)
    except GridError as error:
        yield Finding("units", "error", where, str(error), "assign the right CRS", scene)
        return
    west, south, east, north = grid.bounds
    if grid.is_geographic and max(abs(south), abs(north)) > 90.0001:
        what = f"is declared {grid.crs}, degrees, but reaches {max(abs(south), abs(north)):.0f}: probably metres"
        yield Finding("units", "error", where, what, "assign the right CRS", scene)
    elif gsd > _LARGE_GSD_M or gsd < _SMALL_GSD_M:
        what = f"has pixels of {gsd:.3g} m in {grid.crs}"
        may_be = "its coordinates are probably degrees" if gsd < _SMALL_GSD_M else "they are probably metres"
        yield Finding("units", "warning", where, what, f"{may_be}: assign the right CRS", scene)
    elif not grid.is_geographic and max(abs(west), abs(east)) <= 180 and max(abs(south), abs(north)) <= 90:
        what = f"is declared {grid.crs}, but all of it lies within 180 by 90 m: probably degrees"
        yield Finding("units", "warning", where, what, "assign EPSG:4326 if it is so", scene)
