"""Where the files of a scene lie, and how they lie on each other."""

from __future__ import annotations

import math
from pathlib import Path

from affine import Affine

from hectares.core.grid import Grid, same_grid
from hectares.core.resample import AxisMap
from hectares.errors import GridError

_TOLERANCE_PX = 0.01
_STRETCH = 0.01
"""Images of the same ground may differ in their proportions by this share: those of DSTL do by a third of it."""


def are_placed(*grids: Grid) -> bool:
    """Tell if all grids have a place, in one and the same CRS (which no file may name)."""
    return len({g.crs for g in grids}) == 1 and all(g.transform != Affine.identity() for g in grids)


def relate(path: Path, grid: Grid, onto: Grid, scene: Path) -> tuple[AxisMap, AxisMap]:
    """Give where the pixels of a scene lie in another file, along rows and columns."""
    if grid.crs != onto.crs and grid.is_georeferenced and onto.is_georeferenced:
        raise GridError(
            f"{path}: is in {_short(grid.crs)}, {scene.name} in {_short(onto.crs)}; bring it over with "
            f"`gdalwarp -t_srs {_short(onto.crs)}`"
        )
    if not are_placed(grid, onto):
        return _relate_extents(path, grid, onto, scene)
    t = ~grid.transform @ onto.transform
    height, width = onto.shape
    if abs(t.b) * height > _TOLERANCE_PX or abs(t.d) * width > _TOLERANCE_PX:
        raise GridError(f"{path}: is rotated against {scene.name}; bring it onto its grid with `gdalwarp`")
    # Rounded to far below a pixel: a multiple of a pixel shall be one, whatever the digits of the transforms.
    rows = AxisMap(round(t.e, 9), round(t.f, 6), grid.shape[0])
    cols = AxisMap(round(t.a, 9), round(t.c, 6), grid.shape[1])
    for axis, extent in ((rows, height), (cols, width)):
        ends = sorted((axis.offset, axis.offset + axis.scale * extent))
        if ends[1] <= 0 or ends[0] >= axis.extent:
            raise GridError(
                f"{path}: lies elsewhere than {scene.name} ({grid.bounds} against {onto.bounds}); is it of that scene?"
            )
    return rows, cols


def _relate_extents(path: Path, grid: Grid, onto: Grid, scene: Path) -> tuple[AxisMap, AxisMap]:
    """Relate two images of the same ground; their sizes may also be off by the pixel that rounding costs."""
    least, most = 0.0, math.inf
    for wanted, given in zip(onto.shape, grid.shape, strict=True):
        slack = 1 + _STRETCH * given
        least = max(least, wanted / (given + slack))
        most = min(most, wanted / (given - slack) if given > slack else math.inf)
    if least >= most:
        raise GridError(
            f"{path}: with {grid.shape[0]} x {grid.shape[1]} px it cannot cover the same ground as {scene.name} with "
            f"{onto.shape[0]} x {onto.shape[1]} px; give both a georeference, or cut them alike"
        )
    return AxisMap.fit(grid.shape[0], onto.shape[0]), AxisMap.fit(grid.shape[1], onto.shape[1])


def _short(crs: str | None) -> str:
    return str(crs) if crs is not None and len(crs) < 40 else "the CRS of this file"


def have_same_pixels(grid: Grid, onto: Grid) -> bool:
    """Tell if the pixels of two files of a scene coincide."""
    return same_grid(grid, onto) if are_placed(grid, onto) else grid.shape == onto.shape
