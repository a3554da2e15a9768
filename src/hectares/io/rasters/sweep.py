"""One pass over a class map: areas of classes and means of an aid, in total and by zone, and the values at points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.core.area import AreaTable, AreaTally, pixel_area
from hectares.core.legend import IGNORE
from hectares.core.window import Window
from hectares.io.rasters.aid import Aid
from hectares.io.rasters.class_map import ClassMap
from hectares.io.shapes.features import inside, pixel_window
from hectares.io.shapes.zones import OUTSIDE
from hectares.monitor import Monitor, track

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Swept:
    """What one pass found, for the whole map (None) and for each zone by its name."""

    areas: Mapping[str | None, AreaTable]
    """Of the pixels that are a class, outside the windows left out."""
    aid_m2: Mapping[str | None, FloatArray]
    """(P,) columns of the aid added up over the same pixels, times their area."""
    class_at: NDArray[np.uint8]
    """(n,) class index at the points; 255 for nodata, and for points outside the map."""
    aid_at: FloatArray
    """(n, P)."""
    zones_at: Mapping[str | None, NDArray[np.bool_]]
    """(n,) whether a point is in a zone; all are in the map."""


class _Sums:
    """What is added up for one place."""

    def __init__(self, opened: ClassMap, columns: int) -> None:
        self.tally = AreaTally(opened.legend)
        self.aid_m2 = np.zeros(columns)

    def add(
        self, indices: NDArray[np.uint8], areas: FloatArray, values: NDArray[Any] | None, chosen: NDArray[np.bool_]
    ) -> None:
        """Add the chosen pixels of a strip; all are (h, w), `values` (P, h, w)."""
        weights = areas[chosen]
        self.tally.add(indices[chosen], weights)
        if values is not None:
            self.aid_m2 += [float(column[chosen].astype(np.float64) @ weights) for column in values]


def sweep_map(
    opened: ClassMap,
    points: NDArray[np.intp],
    monitor: Monitor,
    *,
    zones: Mapping[str, shapely.Geometry] | None = None,
    aid: Aid | None = None,
    excluded: Sequence[Window] = (),
) -> Swept:
    """Read a map once, strip by strip. `points` (n, 2) are rows and columns; `excluded` windows count for nothing."""
    zones = zones or {}
    columns = 0 if aid is None else len(aid.columns)
    names: list[str | None] = [None, *zones, *([OUTSIDE] if zones else [])]
    sums = {name: _Sums(opened, columns) for name in names}
    zones_at = {name: np.full(len(points), name is None) for name in names}
    class_at, aid_at = np.full(len(points), IGNORE, np.uint8), np.zeros((len(points), columns))
    windows = {name: pixel_window(geometry, opened.grid) for name, geometry in zones.items()}
    for strip in track(opened.windows(), monitor, "reading the map"):
        indices = opened.read(strip)
        areas = pixel_area(opened.grid, strip)
        values = None if aid is None else aid.read(strip)
        here = _points_in(points, strip)
        rows, cols = points[here, 0] - strip.row, points[here, 1] - strip.col
        class_at[here] = indices[rows, cols]
        if values is not None:
            aid_at[here] = values[:, rows, cols].T
        counted = (indices != IGNORE) & ~_covered(excluded, strip)
        outside = np.ones(strip.shape, np.bool_)
        for name in names:
            mask = _mask_of(name, zones, windows, opened, strip, outside)
            if mask is None:
                continue
            zones_at[name][here] = mask[rows, cols]
            sums[name].add(indices, areas, values, mask & counted)
    return Swept(
        {name: s.tally.table() for name, s in sums.items()},
        {name: s.aid_m2 for name, s in sums.items()},
        class_at, aid_at, zones_at,
    )  # fmt: skip


def _mask_of(
    name: str | None,
    zones: Mapping[str, shapely.Geometry],
    windows: Mapping[str, Window],
    opened: ClassMap,
    strip: Window,
    outside: NDArray[np.bool_],
) -> NDArray[np.bool_] | None:
    """Pixels of a strip that are in a place, (h, w); takes those of zones from `outside`, which comes last."""
    if name is None:
        return np.ones(strip.shape, np.bool_)
    if name == OUTSIDE:
        return outside
    part = windows[name] & strip
    if not part.pixels:
        return None
    mask = np.zeros(strip.shape, np.bool_)
    mask[part.within(strip).slices] = inside(zones[name], opened.grid, part)
    outside &= ~mask
    return mask


def _points_in(points: NDArray[np.intp], strip: Window) -> NDArray[np.intp]:
    row, col = points[:, 0], points[:, 1]
    within = (row >= strip.row) & (row < strip.row_end) & (col >= strip.col) & (col < strip.col_end)
    return np.flatnonzero(within)


def _covered(windows: Sequence[Window], strip: Window) -> NDArray[np.bool_]:
    mask = np.zeros(strip.shape, np.bool_)
    for window in windows:
        part = window & strip
        if part.pixels:
            mask[part.within(strip).slices] = True
    return mask
