"""What is known everywhere beside a class map: a second class map, or scores of its classes, on the same grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hectares.core.grid import Grid, same_grid
from hectares.core.legend import Legend
from hectares.core.window import Window
from hectares.errors import ConfigError, GridError
from hectares.io.rasters.class_map import ClassMap, open_class_map
from hectares.io.rasters.raster import RasterFile, open_raster

NODATA = "nodata"
"""The last column of an aid: 1 where it has no value, and the others are 0."""
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Aid:
    """A raster of numbers that go along with the classes of a map; one column a class or band, and one for nodata."""

    source: ClassMap | RasterFile
    names: tuple[str, ...]
    """Of the columns, without the last: classes or bands."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return (*self.names, NODATA)

    def read(self, window: Window) -> NDArray[Any]:
        """Read the columns of a window, (P, h, w) of booleans or scores; all known, because nodata is known as well."""
        if isinstance(self.source, ClassMap):
            indices = self.source.read(window)
            numbers = np.arange(len(self.names))[:, None, None]
            return np.concatenate([indices == numbers, (indices >= len(self.names))[None]])
        chip = self.source.read(window)
        return np.concatenate([chip.image, ~chip.valid[None]], dtype=np.result_type(chip.image, np.float32))

    def of_classes(self, legend: Legend) -> list[int | None]:
        """Give the column of each class: by its name, else by its place where there are as many bands as classes."""
        if any(name in self.names for name in legend.names):
            return [self.names.index(name) if name in self.names else None for name in legend.names]
        if isinstance(self.source, RasterFile) and len(self.names) == len(legend):
            return list(range(len(legend)))
        wanted = ", ".join(legend.names)
        raise ConfigError(
            f"{self.path}: has {', '.join(self.names)}, none of which is a class of the map ({wanted}); name its bands "
            "or classes so, or use --assist regression, which needs no names"
        )

    def are_shares(self, values: NDArray[np.float64]) -> bool:
        """Tell if values of the aid can be shares, 0 to 1, of a class."""
        return bool(values.min(initial=0) >= -_ROUNDING and values.max(initial=0) <= 1 + _ROUNDING)

    def require_shares(self, values: NDArray[np.float64]) -> None:
        """Refuse to take as they are what cannot be shares."""
        if not self.are_shares(values):
            raise ConfigError(
                f"{self.path}: holds values of {values.min():g} to {values.max():g}; --assist difference and tuned "
                "take scores of 0 to 1: divide them, or use --assist regression, which takes any scale"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self.source.raster if isinstance(self.source, ClassMap) else self.source).close()


def open_aid(path: Path, grid: Grid, class_map: Path) -> Aid:
    """Open a class map (one band of whole numbers) or scores (anything else). Raises GridError off the map's grid."""
    raster = open_raster(path, expand_palette=False)
    one_class = len(raster.facts.bands) == 1 and raster.dtype.kind in "ui"
    require_grid(path, raster, grid, class_map)
    if not one_class:
        return Aid(raster, tuple(raster.bands))
    raster.close()
    opened = open_class_map(path)
    return Aid(opened, opened.legend.names)


def require_grid(path: Path, raster: RasterFile, grid: Grid, class_map: Path) -> None:
    """Refuse a raster that does not lie pixel on pixel with a map, with both grids and the way out."""
    if same_grid(raster.grid, grid):
        return
    found = raster.grid
    raster.close()
    raise GridError(
        f"{path}: is not on the grid of {class_map}: {_told(found)} against {_told(grid)}; {warp(path, grid)}"
    )


def warp(path: Path, grid: Grid) -> str:
    """Give the command that brings a raster of classes onto a grid."""
    bounds = " ".join(f"{v:.12g}" for v in grid.bounds)
    srs = grid.crs if grid.crs is not None and len(grid.crs) < 20 else "CRS"
    size = f"-ts {grid.shape[1]} {grid.shape[0]}"
    return f"bring it there with: gdalwarp -r near -t_srs {srs} -te {bounds} {size} {path.name} same-grid.tif"


def _told(grid: Grid) -> str:
    t, crs = grid.transform, grid.crs
    place = "no CRS" if crs is None else crs if len(crs) < 20 else "another CRS"
    return f"{grid.shape[0]} x {grid.shape[1]} px of {t.a:g} in {place} from {t.c:.10g}, {t.f:.10g}"
